/*
 * A PC/SC reader driver for tests: vpcd's, as a driver of USB readers, and with a fault: while a file named after the
 * reader's port lies in the directory TAPCHECK_BROKEN, the reader reports that it cannot reach its device.
 *
 * vpcd keeps its connections by slot only, so that two readers of one daemon would share them. Each reader therefore has
 * its own copy of this library, and beside it, with ".vpcd" behind the name, its own copy of vpcd.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <ifdhandler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *vpcd;
static unsigned long port;

static void *vpcd_function(const char *name)
{
	Dl_info self;
	char path[4096];

	if (!vpcd && dladdr(&vpcd, &self)) {
		snprintf(path, sizeof path, "%s.vpcd", self.dli_fname);
		vpcd = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	}
	return vpcd ? dlsym(vpcd, name) : NULL;
}

static int broken(void)
{
	const char *dir = getenv("TAPCHECK_BROKEN");
	char path[4096];

	snprintf(path, sizeof path, "%s/%lu", dir ? dir : "", port);
	return access(path, F_OK) == 0;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))vpcd_function(#name); if (!real) return IFD_COMMUNICATION_ERROR

RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
	const char *colon = strrchr(DeviceName, ':');
	char name[64];

	REAL(IFDHCreateChannelByName);
	port = colon ? strtoul(colon + 1, NULL, 0) : 0;
	snprintf(name, sizeof name, "/dev/null:%lu", port); /* vpcd's way to say: listen */
	return real(Lun, name);
}

RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
	REAL(IFDHCreateChannel);
	return real(Lun, Channel);
}

RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
	REAL(IFDHCloseChannel);
	return real(Lun);
}

RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
	REAL(IFDHGetCapabilities);
	if (Tag == TAG_IFD_SLOTS_NUMBER && *Length >= 1) {
		*Value = 1; /* vpcd's second slot would only take another port */
		*Length = 1;
		return IFD_SUCCESS;
	}
	return real(Lun, Tag, Length, Value);
}

RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
	REAL(IFDHSetCapabilities);
	return real(Lun, Tag, Length, Value);
}

RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2, UCHAR PTS3)
{
	REAL(IFDHSetProtocolParameters);
	return real(Lun, Protocol, Flags, PTS1, PTS2, PTS3);
}

RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
	REAL(IFDHPowerICC);
	return real(Lun, Action, Atr, AtrLength);
}

RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer,
	PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
	REAL(IFDHTransmitToICC);
	return real(Lun, SendPci, TxBuffer, TxLength, RxBuffer, RxLength, RecvPci);
}

RESPONSECODE IFDHControl(DWORD Lun, DWORD dwControlCode, PUCHAR TxBuffer, DWORD TxLength, PUCHAR RxBuffer, DWORD RxLength,
	LPDWORD pdwBytesReturned)
{
	REAL(IFDHControl);
	return real(Lun, dwControlCode, TxBuffer, TxLength, RxBuffer, RxLength, pdwBytesReturned);
}

RESPONSECODE IFDHICCPresence(DWORD Lun)
{
	REAL(IFDHICCPresence);
	if (broken())
		return IFD_NO_SUCH_DEVICE;
	return real(Lun);
}
