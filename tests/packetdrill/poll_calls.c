/* SPDX-License-Identifier: BSD-3-Clause */
/* poll and epoll. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "include/assert_policy.h"
#include "tests/packetdrill/adapter.h"
#include "tests/packetdrill/calls.h"

#define POLL_FDS_MAX 1024u

static uint64_t deadline_us(const struct adapter *adapter, int timeout_ms)
{
    return timeout_ms < 0 ? CLOCK_NEVER_US : adapter->clock.now_us + (uint64_t)timeout_ms * 1000;
}

/* ---- poll ---- */

struct polled {
    struct pollfd *fds;
    nfds_t fd_count;
};

static int poll_now(struct adapter *adapter, const struct polled *polled)
{
    int ready_count = 0;
    for (nfds_t i = 0; i < polled->fd_count; i++) {
        struct pollfd *one = &polled->fds[i];
        one->revents = 0;
        if (one->fd < 0)
            continue;
        const struct endpoint *endpoint = endpoint_find(adapter, one->fd, ENDPOINT_STREAM);
        if (endpoint)
            one->revents = (short)(endpoint_poll_events(adapter, endpoint) &
                                   (one->events | POLLERR | POLLHUP));
        else
            one->revents = POLLNVAL;
        ready_count += one->revents != 0;
    }
    return ready_count;
}

static bool poll_is_ready(struct adapter *adapter, const void *what)
{
    return poll_now(adapter, what) > 0;
}

int call_poll(struct adapter *adapter, struct pollfd *fds, nfds_t fd_count, int timeout_ms)
{
    struct polled polled = {.fds = fds, .fd_count = fd_count};
    if (fd_count > POLL_FDS_MAX)
        return -EINVAL;
    if (!fds && fd_count > 0)
        return -EFAULT;
    int ready_count = poll_now(adapter, &polled);
    if (ready_count > 0 || timeout_ms == 0)
        return ready_count;
    int result =
        virtual_clock_wait(adapter, poll_is_ready, &polled, deadline_us(adapter, timeout_ms));
    if (result != 0 && result != -ETIMEDOUT)
        return result;
    return poll_now(adapter, &polled);
}

/* ---- epoll ---- */

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
                  EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP && EPOLLRDNORM == POLLRDNORM &&
                  EPOLLWRNORM == POLLWRNORM,
              "one set of bits for both");

int call_epoll_create(struct adapter *adapter)
{
    struct endpoint *set = endpoint_create(adapter, ENDPOINT_EPOLL);
    if (!set)
        return -EMFILE;
    set->interests = calloc(EPOLL_INTERESTS_MAX, sizeof(*set->interests));
    ASSERT(set->interests);
    int fd = endpoint_open_descriptor(set);
    if (fd < 0)
        endpoint_destroy(set);
    return fd;
}

/* NULL once the socket was closed, even if the descriptor lives again. */
static struct endpoint *endpoint_of(struct adapter *adapter, const struct epoll_interest *interest)
{
    if (interest->endpoint_number == 0)
        return NULL;
    struct endpoint *endpoint = endpoint_find(adapter, interest->fd, ENDPOINT_STREAM);
    return endpoint && endpoint->number == interest->endpoint_number ? endpoint : NULL;
}

static struct epoll_interest *interest_in(struct endpoint *set, uint32_t endpoint_number)
{
    for (uint32_t i = 0; i < EPOLL_INTERESTS_MAX; i++)
        if (set->interests[i].endpoint_number == endpoint_number)
            return &set->interests[i];
    return NULL;
}

static struct epoll_interest *free_interest(struct adapter *adapter, struct endpoint *set)
{
    for (uint32_t i = 0; i < EPOLL_INTERESTS_MAX; i++)
        if (!endpoint_of(adapter, &set->interests[i]))
            return &set->interests[i];
    return NULL;
}

int call_epoll_ctl(struct adapter *adapter, int epoll, int operation, int fd,
                   const struct epoll_event *event)
{
    struct endpoint *set = endpoint_find(adapter, epoll, ENDPOINT_EPOLL);
    struct endpoint *endpoint = endpoint_find(adapter, fd, ENDPOINT_STREAM);
    if (!set || !endpoint)
        return -EBADF;
    struct epoll_interest *interest = interest_in(set, endpoint->number);
    if (operation == EPOLL_CTL_DEL) {
        if (!interest)
            return -ENOENT;
        *interest = (struct epoll_interest){0};
        return 0;
    }
    if (!event)
        return -EFAULT;
    if (operation != EPOLL_CTL_ADD && operation != EPOLL_CTL_MOD)
        return -EINVAL;
    if (operation == EPOLL_CTL_ADD ? interest != NULL : interest == NULL)
        return interest ? -EEXIST : -ENOENT;
    if (!interest && !(interest = free_interest(adapter, set)))
        return -ENOSPC;
    /* what is there already counts as new */
    *interest = (struct epoll_interest){.fd = fd,
                                        .endpoint_number = endpoint->number,
                                        .event = *event,
                                        .reported_serial = endpoint->event_serial - 1};
    virtual_clock_wake_ready(adapter);
    return 0;
}

static uint32_t events_of(const struct adapter *adapter, const struct epoll_interest *interest,
                          const struct endpoint *endpoint)
{
    if (interest->is_spent ||
        ((interest->event.events & EPOLLET) && interest->reported_serial == endpoint->event_serial))
        return 0;
    return (uint32_t)endpoint_poll_events(adapter, endpoint) &
           (interest->event.events | EPOLLERR | EPOLLHUP);
}

static bool epoll_is_ready(struct adapter *adapter, const void *what)
{
    const struct endpoint *set = endpoint_find(adapter, *(const int *)what, ENDPOINT_EPOLL);
    if (!set)
        return true;
    for (uint32_t i = 0; i < EPOLL_INTERESTS_MAX; i++) {
        const struct endpoint *endpoint = endpoint_of(adapter, &set->interests[i]);
        if (endpoint && events_of(adapter, &set->interests[i], endpoint) != 0)
            return true;
    }
    return false;
}

static int epoll_take(struct adapter *adapter, struct endpoint *set, struct epoll_event *events,
                      int event_limit)
{
    int count = 0;
    for (uint32_t i = 0; i < EPOLL_INTERESTS_MAX && count < event_limit; i++) {
        struct epoll_interest *interest = &set->interests[i];
        const struct endpoint *endpoint = endpoint_of(adapter, interest);
        uint32_t bits = endpoint ? events_of(adapter, interest, endpoint) : 0;
        if (bits == 0)
            continue;
        events[count] = interest->event;
        events[count++].events = bits;
        interest->reported_serial = endpoint->event_serial;
        interest->is_spent = interest->event.events & EPOLLONESHOT;
    }
    return count;
}

int call_epoll_wait(struct adapter *adapter, int epoll, struct epoll_event *events, int event_limit,
                    int timeout_ms)
{
    if (!endpoint_find(adapter, epoll, ENDPOINT_EPOLL))
        return -EBADF;
    if (event_limit <= 0)
        return -EINVAL;
    if (!epoll_is_ready(adapter, &epoll) && timeout_ms != 0) {
        int result =
            virtual_clock_wait(adapter, epoll_is_ready, &epoll, deadline_us(adapter, timeout_ms));
        if (result != 0 && result != -ETIMEDOUT)
            return result;
    }
    struct endpoint *set = endpoint_find(adapter, epoll, ENDPOINT_EPOLL);
    return set ? epoll_take(adapter, set, events, event_limit) : -EBADF;
}
