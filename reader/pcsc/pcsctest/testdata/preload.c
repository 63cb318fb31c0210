/*
 * Preloaded into a test's pcscd, this gives it a world of its own:
 *
 * USB. The daemon learns of readers from libudev; here libudev is a pipe, and what the test writes into it is plugged in or
 * taken away: records of 16 bytes, "add" or "remove", the reader's number and its port. So readers come and go in exactly
 * the way in which real ones do.
 *
 * Drivers. The folder with the drivers of USB readers is compiled in (TAPCHECK_DROPDIR); it is looked for below TAPCHECK_USB.
 *
 * Addresses. vpcd listens on all of the machine's: every bind to them becomes one to 127.0.0.1.
 *
 * /run. The daemon insists on the system's own folder there, which only root may make and a test has no use for.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_in loopback;

	REAL(bind);
	if (addr->sa_family == AF_INET && len == sizeof loopback) {
		memcpy(&loopback, addr, sizeof loopback);
		if (loopback.sin_addr.s_addr == htonl(INADDR_ANY))
			loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return real(fd, (struct sockaddr *)&loopback, sizeof loopback);
	}
	return real(fd, addr, len);
}

static int in_run(const char *path)
{
	return strncmp(path, "/run/pcscd", 10) == 0 || strncmp(path, "/var/run/pcscd", 14) == 0;
}

int mkdir(const char *path, mode_t mode)
{
	REAL(mkdir);
	return in_run(path) ? 0 : real(path, mode);
}

int chmod(const char *path, mode_t mode)
{
	REAL(chmod);
	return in_run(path) ? 0 : real(path, mode);
}

static const char *ours(const char *path, char buf[4096])
{
	const char *drop = getenv("TAPCHECK_DROPDIR"), *usb = getenv("TAPCHECK_USB");

	if (!path || !drop || !usb || strncmp(path, drop, strlen(drop)) != 0)
		return path;
	snprintf(buf, 4096, "%s%s", usb, path + strlen(drop));
	return buf;
}

DIR *opendir(const char *path)
{
	char buf[4096];

	REAL(opendir);
	return real(ours(path, buf));
}

FILE *fopen(const char *path, const char *mode)
{
	char buf[4096];

	REAL(fopen);
	return real(ours(path, buf), mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	char buf[4096];

	REAL(fopen64);
	return real(ours(path, buf), mode);
}

void *dlopen(const char *path, int flags)
{
	char buf[4096];

	REAL(dlopen);
	return real(ours(path, buf), flags);
}

struct udev_device {
	char action[8], vendor[8], product[8], node[32], name[32];
};

static int events = -1;
static char something; /* what a pointer that only must not be NULL points to */

void *udev_new(void)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/events", getenv("TAPCHECK_USB"));
	events = open(path, O_RDWR | O_CLOEXEC);
	return &something;
}

void *udev_unref(void *u) { (void)u; return NULL; }
void *udev_monitor_new_from_netlink(void *u, const char *name) { (void)u, (void)name; return &something; }
int udev_monitor_filter_add_match_subsystem_devtype(void *m, const char *s, const char *d) { (void)m, (void)s, (void)d; return 0; }
int udev_monitor_enable_receiving(void *m) { (void)m; return 0; }
int udev_monitor_get_fd(void *m) { (void)m; return events; }
void *udev_enumerate_new(void *u) { (void)u; return &something; }
int udev_enumerate_add_match_subsystem(void *e, const char *s) { (void)e, (void)s; return 0; }
int udev_enumerate_scan_devices(void *e) { (void)e; return 0; }
void *udev_enumerate_get_list_entry(void *e) { (void)e; return NULL; } /* nothing is there at first */
void *udev_enumerate_unref(void *e) { (void)e; return NULL; }
void *udev_list_entry_get_next(void *l) { (void)l; return NULL; }
const char *udev_list_entry_get_name(void *l) { (void)l; return NULL; }
struct udev_device *udev_device_new_from_syspath(void *u, const char *p) { (void)u, (void)p; return NULL; }

struct udev_device *udev_monitor_receive_device(void *m)
{
	char record[17] = "";
	unsigned number, port;
	struct udev_device *d = calloc(1, sizeof *d);

	(void)m;
	if (!d || read(events, record, 16) != 16 || sscanf(record, "%7s %u %u", d->action, &number, &port) != 3) {
		free(d);
		return NULL;
	}
	snprintf(d->vendor, sizeof d->vendor, "1209");
	snprintf(d->product, sizeof d->product, "%04x", number & 0xFFFF);
	snprintf(d->node, sizeof d->node, "/dev/tapcheck:%u", port);
	snprintf(d->name, sizeof d->name, "tapcheck-%u", number);
	return d;
}

struct udev_device *udev_device_unref(struct udev_device *d) { free(d); return NULL; }
struct udev_device *udev_device_get_parent_with_subsystem_devtype(struct udev_device *d, const char *s, const char *t) { (void)s, (void)t; return d; }
const char *udev_device_get_devnode(struct udev_device *d) { return d->node; }
const char *udev_device_get_sysname(struct udev_device *d) { return d->name; }
const char *udev_device_get_action(struct udev_device *d) { return d->action; }

const char *udev_device_get_sysattr_value(struct udev_device *d, const char *attr)
{
	if (strcmp(attr, "idVendor") == 0)
		return d->vendor;
	if (strcmp(attr, "idProduct") == 0)
		return d->product;
	return NULL; /* no serial number, no name of the interface */
}
