// A program that looks for winscard.dll as ebfe/scard does on Windows: first of all in its own folder. It shows that a planted
// DLL is there to be found, so that finding nothing in the agent means something.
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

int main(void) { return LoadLibraryA("winscard.dll") ? 0 : 1; }
