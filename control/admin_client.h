/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * admin_client.h - one request to a running server's admin socket.
 *
 * Purpose:   for commands that ask a running server something.
 * Ownership: the body belongs to the caller.
 * Threading: any; it waits, ADMIN_CLIENT_LIMIT_S at most for each step.
 * Units:     none.
 * Errors:    a negative errno: -EINVAL is no address, -EPROTO is something that is not ours.
 * Source:    control/admin.h is the other end.
 */
#ifndef GANNET_ADMIN_CLIENT_H
#define GANNET_ADMIN_CLIENT_H

struct text_buffer;

#define ADMIN_CLIENT_LIMIT_S 5

/* `request` is "GET /metrics"; returns HTTP's status. The body may hold zero bytes. */
int admin_client_ask(const char *address, const char *request, struct text_buffer *body);

/*
 * Where a server's admin socket is: `where` is its address, its configuration file, or NULL for the
 * default. NULL: the file is bad, and what is wrong was printed. The text lives as long as the
 * process.
 */
const char *admin_client_find(const char *where);

/* Why there was no answer, for a person. */
const char *admin_client_reason(int status);

#endif
