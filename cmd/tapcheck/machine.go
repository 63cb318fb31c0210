package main

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/keys/tpm"
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
	m := thisMachine()
	bound := keys.CheckMachine(dir, m) == nil
	aside, locked := keys.Aside(dir), keys.AsideByTPM(dir, m)
	where, closed := keys.KeptIn(dir, m)
	var unused error // why the TPM does not have them
	if where != keys.InTPM {
		unused = m.TPM.Check()
	}
	if c.JSON {
		if aside == nil {
			aside = []string{}
		}
		return a.json(map[string]any{
			"instanceId": instance, "thisMachine": bound, "aside": aside, "keys": where, "keysOpen": closed == nil, "tpmUsable": where == keys.InTPM && closed == nil || where != keys.InTPM && unused == nil,
		})
	}
	if bound {
		a.printf("%s %s\n", a.say("Thư mục dữ liệu là của máy này, mã bản cài", "The data folder belongs to this PC, instance"), instance)
	} else {
		a.printf("%s\n", a.say("Thư mục dữ liệu do máy khác tạo ra. Khi dịch vụ khởi động, máy này được nhận định danh mới.", "The data folder was made on another PC. When the service starts, this one is given an identity of its own."))
	}
	a.printf("%s\n", a.keeping(where, closed, unused))
	for _, name := range aside {
		what := a.say("của máy khác:", "from another PC:")
		if slices.Contains(locked, name) {
			what = a.say("của máy này, TPM không mở được khóa:", "this PC's own, whose keys the TPM did not open:")
		}
		a.printf("  %s %s\n", what, filepath.Join(dir, name))
	}
	return nil
}

// keeping says where the keys are kept; closed is why the TPM does not open them, unused why it does not have them.
func (a *app) keeping(where keys.Keeping, closed, unused error) string {
	switch where {
	case keys.InTPM:
		if closed != nil {
			return a.say("Khóa được niêm phong bằng TPM, và TPM đang không mở được: ", "The keys are sealed by the TPM, which does not open them now: ") + a.tpmTrouble(closed)
		}
		return a.say("Khóa được niêm phong bằng TPM của máy này.", "The keys are sealed by this PC's TPM.")
	case keys.InSystem:
		return a.say("Khóa nằm trong tệp do Windows mã hóa cho máy này. TPM: ", "The keys lie in a file that Windows encrypts for this PC. TPM: ") + a.tpmTrouble(unused)
	}
	return a.say("Khóa nằm trong tệp mà chỉ dịch vụ đọc được. TPM: ", "The keys lie in a file that the service alone reads. TPM: ") + a.tpmTrouble(unused)
}

// tpmTrouble says what is the matter with the TPM.
func (a *app) tpmTrouble(err error) string {
	switch {
	case err == nil:
		return a.say("có, chưa dùng (keys.tpm là false, dịch vụ chưa khởi động lại, hoặc người dùng tapcheck chưa thuộc nhóm tss)",
			"there, and not used (keys.tpm is false, the service has not started since, or the user tapcheck is not in the group tss)")
	case errors.Is(err, tpm.ErrForeign):
		return a.say("đã bị xóa hoặc là TPM khác", "it was cleared, or is another one")
	case errors.Is(err, tpm.ErrDenied):
		return a.say("không có quyền dùng", "it may not be used")
	}
	return a.say("không có TPM 2.0 nào trả lời", "there is no TPM 2.0 that answers")
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
