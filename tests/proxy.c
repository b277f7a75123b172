/* proxy.c: TCP in front of a server's Unix socket: `proxy SOCKET` prints its port. SIGUSR1: nothing gets
 * through any more, as when the network is cut; SIGUSR2: it does again. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 128 };
static volatile sig_atomic_t cut;
static int side[MOST][2], n;                     /* pairs of sockets */

static void on_signal(int s) { cut = s == SIGUSR1; }

static int listen_tcp(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&at, size) || listen(s, 64) ||
        getsockname(s, (struct sockaddr *)&at, &size)) return -1;
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return s;
}

static void take(int listener, const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const int in = accept(listener, NULL, NULL), out = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    if (in < 0 || out < 0 || n == MOST || connect(out, (struct sockaddr *)&to, sizeof to)) {
        if (in >= 0) close(in);
        if (out >= 0) close(out);
        return;
    }
    side[n][0] = in;
    side[n++][1] = out;
}

/* false: one of the two has closed. */
static int pass(int from, int to)
{
    char bytes[65536];
    const ssize_t got = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    for (ssize_t done = 0, m; done < got; done += m)
        if ((m = send(to, bytes + done, (size_t)(got - done), MSG_NOSIGNAL)) <= 0) return 0;
    return got > 0;
}

static void drop(int i)
{
    close(side[i][0]);
    close(side[i][1]);
    n--;
    memcpy(side[i], side[n], sizeof side[i]);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
    sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = on_signal }, NULL);
    const int listener = listen_tcp();
    if (listener < 0) return 1;
    for (;;) {
        struct pollfd f[1 + 2 * MOST] = { { .fd = listener, .events = POLLIN } };
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 2; k++)
                f[1 + 2 * i + k] = (struct pollfd){ .fd = side[i][k], .events = POLLIN };
        if (cut) { usleep(10000); continue; }
        const int pairs = n;
        if (poll(f, (nfds_t)(1 + 2 * n), 1000) <= 0) continue;
        for (int i = pairs - 1; i >= 0; i--)
            for (int k = 0; k < 2; k++)
                if (f[1 + 2 * i + k].revents && !pass(side[i][k], side[i][!k])) { drop(i); break; }
        if (f[0].revents) take(listener, argv[1]);
    }
}
