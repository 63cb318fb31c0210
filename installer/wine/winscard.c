// A stand-in for Windows' winscard.dll under Wine, whose own answers nothing. Every call is one TCP connection to the bridge of
// the test (TAPCHECK_WINSCARD, a port on 127.0.0.1), which does it on a real pcscd: sharing, removal and cancelling are then
// as they are. The other side is reader/pcsc/pcsctest/bridge.go.
//
// Names are read late, as Windows may: a caller that lets go of them during the call is found out.
//
// Built with PLANTED it is the DLL of an attacker, who has put it beside the program: the program ends when it is loaded.
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <windows.h>
#include <stdlib.h>
#include <string.h>

#define API __declspec(dllexport) LONG WINAPI

enum { NO_SERVICE = 0x8010001D, COMM_ERROR = 0x8010002F, INSUFFICIENT_BUFFER = 0x80100008, INVALID_PARAMETER = 0x80100004 };
enum { ESTABLISH = 1, RELEASE, CANCEL, LIST, CHANGE, CONNECT, DISCONNECT, STATUS, TRANSMIT };
enum { MOST = 1 << 18, NAME_MOST = 1024, ATR_MOST = 36, LATE_MS = 30 };

typedef struct {
	BYTE *p;
	DWORD n, at;
} buffer;

static void put(buffer *b, const void *p, DWORD n) {
	if (b->n + n <= MOST) memcpy(b->p + b->n, p, n);
	b->n += n;
}
static void put_u32(buffer *b, DWORD v) { put(b, &v, 4); }
static void put_handle(buffer *b, ULONG_PTR v) {
	unsigned long long h = v;
	put(b, &h, 8);
}
static void put_name(buffer *b, const WCHAR *s) {
	DWORD n = 0;
	while (n < NAME_MOST && s[n]) n++;
	put_u32(b, n * 2);
	put(b, s, n * 2);
}
static DWORD get_u32(buffer *b) {
	DWORD v = 0;
	if (b->n - b->at >= 4) memcpy(&v, b->p + b->at, 4), b->at += 4;
	return v;
}
static ULONG_PTR get_handle(buffer *b) {
	unsigned long long v = 0;
	if (b->n - b->at >= 8) memcpy(&v, b->p + b->at, 8), b->at += 8;
	return (ULONG_PTR)v;
}
static BYTE *get_bytes(buffer *b, DWORD *n) {
	BYTE *p;
	*n = get_u32(b);
	if (*n > b->n - b->at) *n = b->n - b->at;
	p = b->p + b->at;
	b->at += *n;
	return p;
}

static int whole(SOCKET s, BYTE *p, int n, int sending) {
	while (n > 0) {
		int k = sending ? send(s, (char *)p, n, 0) : recv(s, (char *)p, n, 0);
		if (k <= 0) return 0;
		p += k;
		n -= k;
	}
	return 1;
}

// exchange sends what b holds, and leaves the answer in b behind its code, which it returns.
static LONG exchange(buffer *b) {
	struct sockaddr_in a = {0};
	const char *port = getenv("TAPCHECK_WINSCARD");
	DWORD n = b->n;
	LONG code = COMM_ERROR;
	SOCKET s;
	WSADATA w;
	if (!port || WSAStartup(0x202, &w)) return NO_SERVICE;
	if (n > MOST) return INVALID_PARAMETER;
	a.sin_family = AF_INET;
	a.sin_port = htons((u_short)atoi(port));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	if (connect(s, (struct sockaddr *)&a, sizeof a)) {
		code = NO_SERVICE;
	} else if (whole(s, (BYTE *)&n, 4, 1) && whole(s, b->p, (int)n, 1) && whole(s, (BYTE *)&n, 4, 0) && n >= 4 && n <= MOST &&
	           whole(s, b->p, (int)n, 0)) {
		b->n = n;
		b->at = 0;
		code = (LONG)get_u32(b);
	}
	closesocket(s);
	return code;
}

static buffer begin(BYTE op) {
	buffer b = {malloc(MOST), 0, 0};
	put(&b, &op, 1);
	return b;
}

static LONG on_handle(BYTE op, ULONG_PTR h, DWORD with, int has) {
	buffer b = begin(op);
	LONG r;
	put_handle(&b, h);
	if (has) put_u32(&b, with);
	r = exchange(&b);
	free(b.p);
	return r;
}

API SCardEstablishContext(DWORD scope, const void *r1, const void *r2, ULONG_PTR *context) {
	buffer b = begin(ESTABLISH);
	LONG r = exchange(&b);
	(void)scope, (void)r1, (void)r2;
	if (!r) *context = get_handle(&b);
	free(b.p);
	return r;
}

API SCardReleaseContext(ULONG_PTR context) { return on_handle(RELEASE, context, 0, 0); }
API SCardCancel(ULONG_PTR context) { return on_handle(CANCEL, context, 0, 0); }
API SCardDisconnect(ULONG_PTR card, DWORD disposition) { return on_handle(DISCONNECT, card, disposition, 1); }

API SCardListReadersW(ULONG_PTR context, const WCHAR *groups, WCHAR *names, DWORD *length) {
	buffer b = begin(LIST);
	DWORD n, room = *length;
	BYTE *p;
	LONG r;
	(void)groups;
	put_handle(&b, context);
	if (!(r = exchange(&b))) {
		p = get_bytes(&b, &n);
		*length = n / 2;
		if (names && n / 2 > room) r = INSUFFICIENT_BUFFER;
		else if (names) memcpy(names, p, n);
	}
	free(b.p);
	return r;
}

typedef struct {
	const WCHAR *name;
	void *user;
	DWORD current, event, atr_length;
	BYTE atr[ATR_MOST];
} reader_state;

API SCardGetStatusChangeW(ULONG_PTR context, DWORD timeout, reader_state *states, DWORD count) {
	buffer b = begin(CHANGE);
	DWORD i, n;
	BYTE *p;
	LONG r;
	Sleep(LATE_MS);
	put_handle(&b, context);
	put_u32(&b, timeout);
	put_u32(&b, count);
	for (i = 0; i < count; i++) put_name(&b, states[i].name), put_u32(&b, states[i].current);
	r = exchange(&b);
	for (i = 0; !r && i < count; i++) {
		states[i].event = get_u32(&b);
		p = get_bytes(&b, &n);
		states[i].atr_length = n < ATR_MOST ? n : ATR_MOST;
		memcpy(states[i].atr, p, states[i].atr_length);
	}
	free(b.p);
	return r;
}

API SCardConnectW(ULONG_PTR context, const WCHAR *name, DWORD share, DWORD protocols, ULONG_PTR *card, DWORD *protocol) {
	buffer b = begin(CONNECT);
	LONG r;
	Sleep(LATE_MS);
	put_handle(&b, context);
	put_name(&b, name);
	put_u32(&b, share);
	put_u32(&b, protocols);
	if (!(r = exchange(&b))) *card = get_handle(&b), *protocol = get_u32(&b);
	free(b.p);
	return r;
}

API SCardStatusW(ULONG_PTR card, WCHAR *name, DWORD *name_length, DWORD *state, DWORD *protocol, BYTE *atr, DWORD *atr_length) {
	buffer b = begin(STATUS);
	DWORD n;
	BYTE *p;
	LONG r;
	put_handle(&b, card);
	if (!(r = exchange(&b))) {
		p = get_bytes(&b, &n); // a list: two zeros at its end
		if (name && n / 2 > *name_length) r = INSUFFICIENT_BUFFER;
		else if (name) memcpy(name, p, n);
		*name_length = n / 2;
		*state = get_u32(&b);
		*protocol = get_u32(&b);
		p = get_bytes(&b, &n);
		if (n > *atr_length) r = INSUFFICIENT_BUFFER;
		else memcpy(atr, p, n);
		*atr_length = n;
	}
	free(b.p);
	return r;
}

API SCardTransmit(ULONG_PTR card, const void *send_pci, const BYTE *send, DWORD send_length, void *recv_pci, BYTE *answer, DWORD *length) {
	buffer b = begin(TRANSMIT);
	DWORD n;
	BYTE *p;
	LONG r;
	(void)recv_pci;
	put_handle(&b, card);
	put_u32(&b, *(const DWORD *)send_pci);
	put_u32(&b, send_length);
	put(&b, send, send_length);
	if (!(r = exchange(&b))) {
		p = get_bytes(&b, &n);
		if (n > *length) r = INSUFFICIENT_BUFFER;
		else memcpy(answer, p, n);
		*length = n;
	}
	free(b.p);
	return r;
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved) {
	(void)self, (void)reserved;
#ifdef PLANTED
	if (reason == DLL_PROCESS_ATTACH) TerminateProcess(GetCurrentProcess(), 66);
#else
	(void)reason;
#endif
	return TRUE;
}
