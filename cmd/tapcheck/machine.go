package main

import (
	"path/filepath"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// thisMachine is the PC that this runs on. Tests have others.
var thisMachine = keys.ThisMachine

type machineCmd struct {
	Status machineStatusCmd `cmd:"" help:"Say whether the data folder belongs to this PC, and what was set aside because it came from another one."`
	Keep   machineKeepCmd   `cmd:"" help:"This is the same PC, repaired: put back what was set aside. Stop the service first."`
	Forget machineForgetCmd `cmd:"" help:"This is another PC: delete for good what was set aside, which are another desk's records."`
}

type machineStatusCmd struct {
	JSON bool `help:"As JSON."`
}

// Run shows whose data these are.
func (c machineStatusCmd) Run(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	instance, err := keys.InstanceIn(dir)
	if err != nil {
		return dataFolderError(err)
	}
	bound := keys.CheckMachine(dir, thisMachine()) == nil
	aside := keys.Aside(dir)
	if c.JSON {
		if aside == nil {
			aside = []string{}
		}
		return a.json(map[string]any{"instanceId": instance, "thisMachine": bound, "aside": aside})
	}
	if bound {
		a.printf("%s %s\n", a.say("Thư mục dữ liệu là của máy này, mã bản cài", "The data folder belongs to this PC, instance"), instance)
	} else {
		a.printf("%s\n", a.say("Thư mục dữ liệu do máy khác tạo ra. Khi dịch vụ khởi động, máy này được nhận định danh mới.", "The data folder was made on another PC. When the service starts, this one is given an identity of its own."))
	}
	for _, name := range aside {
		a.printf("  %s %s\n", a.say("của máy khác:", "from another PC:"), filepath.Join(dir, name))
	}
	return nil
}

// aside names what was set aside; with only one there is nothing to name.
func (a *app) aside(name string) (dir, folder string, err error) {
	if dir, err = a.dataFolder(); err != nil {
		return "", "", err
	}
	list := keys.Aside(dir)
	if name == "" && len(list) == 1 {
		name = list[0]
	}
	for _, one := range list {
		if one == name {
			return dir, one, nil
		}
	}
	if len(list) == 0 {
		return "", "", failWith(exitFailed, nil, "không có gì của máy khác", "there is nothing from another PC")
	}
	return "", "", usage("%s: %v", a.say("nêu tên một trong các thư mục", "name one of"), list)
}

// stopped makes sure that no agent works in a data folder.
func (a *app) stopped(dir string) error {
	running := false
	if port, ok := portIn(filepath.Join(dir, portFile)); ok {
		_, running = probe(a.ctx, port)
	}
	if !running && a.data == "" {
		s, err := a.serviceState()
		running = err == nil && s.Running
	}
	if running {
		return failWith(exitSettings, nil, "Tapcheck đang chạy: dừng trước đã (tapcheck service stop)", "Tapcheck is running: stop it first (tapcheck service stop)")
	}
	return nil
}

type machineKeepCmd struct {
	Folder string `arg:"" optional:"" help:"Which, where there are several."`
}

// Run puts back what was set aside.
func (c machineKeepCmd) Run(a *app) error {
	dir, folder, err := a.aside(c.Folder)
	if err != nil {
		return err
	}
	if err := a.stopped(dir); err != nil {
		return err
	}
	since, err := keys.KeepAside(dir, folder, thisMachine())
	if err != nil {
		return dataFolderError(err)
	}
	a.printf(a.say("Đã trả lại định danh và sổ cũ. Những lượt từ lúc nhận định danh mới nằm ở %s.\n", "The identity and the journal of before are back. What was recorded meanwhile lies in %s.\n"), filepath.Join(dir, since))
	return nil
}

type machineForgetCmd struct {
	Folder string `arg:"" optional:"" help:"Which, where there are several."`
}

// Run deletes what was set aside.
func (c machineForgetCmd) Run(a *app) error {
	dir, folder, err := a.aside(c.Folder)
	if err != nil {
		return err
	}
	if err := keys.ForgetAside(dir, folder); err != nil {
		return dataFolderError(err)
	}
	a.printf("%s\n", a.say("Đã xóa hẳn.", "Deleted for good."))
	return nil
}
