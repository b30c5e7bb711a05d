/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * service_notify.h - tells the service manager that we are ready, alive, or stopping.
 *
 * Purpose:   Type=notify and WatchdogSec= of systemd, without linking its library.
 * Ownership: the socket is opened once and kept.
 * Threading: the thread that opened it.
 * Units:     _us as systemd gives them.
 * Errors:    0 or a negative errno; without a service manager everything succeeds and does nothing.
 * Source:    sd_notify(3), sd_watchdog_enabled(3): one datagram of "KEY=value" lines to
 *            $NOTIFY_SOCKET, a path or ("@name") an abstract socket.
 */
#ifndef GANNET_SERVICE_NOTIFY_H
#define GANNET_SERVICE_NOTIFY_H

#include <stdint.h>

struct service_notify {
    int socket_fd;        /* -1: nobody asked */
    uint64_t watchdog_us; /* how long we may be silent; 0: no watchdog */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
int service_notify_open(struct service_notify *notify);
void service_notify_close(struct service_notify *notify);

int service_notify_ready(const struct service_notify *notify);
int service_notify_stopping(const struct service_notify *notify);
/* At least every watchdog_us / 2, and only while the process's threads have heartbeats. */
int service_notify_alive(const struct service_notify *notify);
/* One line for `systemctl status`; a line break would start another key and is refused. */
int service_notify_status(const struct service_notify *notify, const char *text);

#endif
