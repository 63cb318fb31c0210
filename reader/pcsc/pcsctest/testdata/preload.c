/*
 * Preloaded into a test's pcscd. vpcd listens on all addresses of the machine: every bind to them becomes one to 127.0.0.1.
 * And the daemon insists on the system's own folder in /run, which only root may make and a test has no use for.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
	struct sockaddr_in loopback;

	if (addr->sa_family == PF_INET && len == sizeof loopback) {
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
	int (*real)(const char *, mode_t) = dlsym(RTLD_NEXT, "mkdir");

	return in_run(path) ? 0 : real(path, mode);
}

int chmod(const char *path, mode_t mode)
{
	int (*real)(const char *, mode_t) = dlsym(RTLD_NEXT, "chmod");

	return in_run(path) ? 0 : real(path, mode);
}
