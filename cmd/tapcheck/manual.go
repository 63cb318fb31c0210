package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tapcheck/tapcheck/agent/console/manual"
)

type manualCmd struct {
	ID   string `arg:"" optional:"" help:"Id of an error, a warning or a reason, such as READER_ABSENT: says what it means."`
	Save string `help:"Write the pages into a folder, for a PC on which nothing runs yet." placeholder:"DIR" type:"path" xor:"what"`
	Open bool   `help:"Open it in the browser." xor:"what"`
}

// Run says what an id means, writes the pages, or says where the agent that runs serves them.
func (c manualCmd) Run(a *app) error {
	switch {
	case c.ID != "" && (c.Save != "" || c.Open):
		return usage("%s", a.say("hoặc một mã, hoặc --save, hoặc --open", "an id, or --save, or --open"))
	case c.ID != "":
		text := manual.Explain(strings.ToUpper(c.ID), a.lang)
		if text == "" {
			return usage("%s", a.say("không có mã này", "there is no such id"))
		}
		a.printf("%s", text)
		return nil
	case c.Save != "":
		first, err := manual.Save(c.Save, version, a.lang)
		if errors.Is(err, fs.ErrExist) {
			return usage("--save: %v", err)
		}
		if err == nil {
			a.printf("%s\n", first)
		}
		return err
	}
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	port, ok := runningPort(dir, a.data == "")
	if !ok {
		fmt.Fprintf(a.Stderr, "tapcheck: %s\n", a.say("không thấy Tapcheck đang chạy với thư mục dữ liệu này; tapcheck manual --save THƯ-MỤC ghi các trang thành tệp",
			"no agent runs with this data folder; tapcheck manual --save DIR writes the pages as files"))
		return exitStatus(exitFailed)
	}
	page := fmt.Sprintf("http://127.0.0.1:%d%s%s/index.html", port, manual.Prefix, a.lang)
	a.printf("%s\n", page)
	if c.Open {
		return openPage(page)
	}
	return nil
}
