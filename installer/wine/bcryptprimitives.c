// What Wine 8 lacks of a Windows that Go 1.26 and our database stand on, for tests under Wine. Every Go program loads
// bcryptprimitives.dll as it starts, which Wine 8 does not have at all; so this is the place for the rest too, and the program
// that is tested stays the one that is delivered:
//
//   - ProcessPrng, from which Go has its random numbers;
//   - NtSetInformationFile answers FileDispositionInformationEx with "not implemented", where a Windows that is too old says
//     "no such class"; Go's os.RemoveAll knows only the latter and then takes the older way;
//   - VirtualAlloc2 is exported and fails for placeholders; go-sqlite3 does without where it is not there.
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <string.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG); // RtlGenRandom

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) {
	while (n > 0) {
		ULONG part = n > 0x10000000 ? 0x10000000 : (ULONG)n;
		if (!SystemFunction036(p, part)) return FALSE;
		p += part;
		n -= part;
	}
	return TRUE;
}

typedef LONG(NTAPI *set_file)(HANDLE, PVOID, PVOID, ULONG, ULONG);
static set_file set_file_of_wine;

enum { FILE_DISPOSITION_EX = 64 };
#define INVALID_INFO_CLASS ((LONG)0xC0000003)

static LONG NTAPI set_file_information(HANDLE h, PVOID io, PVOID info, ULONG n, ULONG class) {
	if (class == FILE_DISPOSITION_EX) return INVALID_INFO_CLASS;
	return set_file_of_wine(h, io, info, n, class);
}

// divert lets a system call of Wine begin with a jump to ours. A stub of a system call is short and knows no own address, so a
// copy of it does what it did.
static void divert(BYTE *stub) {
	enum { STUB = 32, JUMP = 12 };
	static const BYTE begin[] = {0x4c, 0x8b, 0xd1, 0xb8}; // mov r10,rcx; mov eax,number
	BYTE jump[JUMP] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0}; // mov rax,address; jmp rax
	void *to = (void *)set_file_information;
	DWORD old;
	BYTE *copy;
	if (!stub || memcmp(stub, begin, sizeof begin)) return;
	copy = VirtualAlloc(NULL, STUB, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	if (!copy) return;
	memcpy(copy, stub, STUB);
	memcpy(jump + 2, &to, 8);
	if (!VirtualProtect(stub, JUMP, PAGE_EXECUTE_READWRITE, &old)) return;
	set_file_of_wine = (set_file)copy;
	memcpy(stub, jump, JUMP);
	VirtualProtect(stub, JUMP, old, &old);
}

// hide takes a name out of a module's exports.
static void hide(BYTE *module, const char *name) {
	IMAGE_NT_HEADERS *nt;
	IMAGE_EXPORT_DIRECTORY *e;
	DWORD *names, i, old;
	if (!module) return;
	nt = (IMAGE_NT_HEADERS *)(module + ((IMAGE_DOS_HEADER *)module)->e_lfanew);
	e = (IMAGE_EXPORT_DIRECTORY *)(module + nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress);
	names = (DWORD *)(module + e->AddressOfNames);
	for (i = 0; i < e->NumberOfNames; i++) {
		char *s = (char *)module + names[i];
		if (strcmp(s, name)) continue;
		if (!VirtualProtect(s, strlen(s), PAGE_READWRITE, &old)) return;
		s[strlen(s) - 1]++; // stays in its place of the sorted list
		VirtualProtect(s, strlen(s), old, &old);
		return;
	}
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved) {
	(void)self;
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH) {
		divert((BYTE *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtSetInformationFile"));
		hide((BYTE *)GetModuleHandleA("kernelbase.dll"), "VirtualAlloc2");
	}
	return TRUE;
}
