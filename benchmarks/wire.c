/* Both ends of a plain websocket, as bare as a program can be: a server of prebuilt frames, and a blocking reader.
 *
 *   wire serve FILE               loopback, any port, which it prints; serves one client, then reads commands
 *                                 FILE: u32 length, little-endian, and a frame's payload; repeated
 *   wire read PORT drain|latency  connects and prints one line of JSON for each round
 *
 * Commands of the server, one a line on standard input; its end ends the server:
 *   go FRAMES BYTES RATE STAMP    send FRAMES frames; BYTES to a write (0: each frame its own), RATE frames a second
 *                                 (0: as fast as the client takes them), STAMP 1: stamp each before its write
 *
 * A round begins with the text {"type":"order","data":{"frames":FRAMES}} and ends with the same of 0 frames: text reaches
 * every client beside the binary path, so that no client pays for counting.
 *
 * The stamp is CLOCK_REALTIME in nanoseconds, in every packet of the frame, which must all be full ones:
 *   bytes 16-19 (volume) its upper and bytes 20-23 (buy_quantity) its lower half, big-endian.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FULL_LENGTH = 184, STAMP_OFFSET = 16, RECEIVE_BYTES = 256 * 1024, MOST_LATENCIES = 1 << 20 };
enum { HEARTBEAT_MS = 1000 }; /* between rounds, as the exchange does: clients give up a socket that says nothing */
enum { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

static void die(const char *what)
{
    fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void put_be32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24), at[1] = (uint8_t)(value >> 16), at[2] = (uint8_t)(value >> 8), at[3] = (uint8_t)value;
}

static uint32_t get_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void send_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            exit(0); /* the client has gone: whoever started both knows */
        at += sent, size -= (size_t)sent;
    }
}

/* ---- the handshake's hash (RFC 3174) and its spelling (RFC 4648) ---------------------------------------------- */

static uint32_t rotate(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

static void sha1_block(uint32_t h[5], const uint8_t *block)
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++)
        w[i] = i < 16 ? get_be32(block + 4 * i) : rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                              : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = rotate(a, 5) + f + e + w[i];
        e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

/* Of at most 119 bytes: a key and the protocol's constant are 60. */
static void sha1(const char *text, uint8_t digest[20])
{
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint8_t padded[128] = {0};
    size_t length = strlen(text), blocks = (length + 8) / 64 + 1;
    memcpy(padded, text, length);
    padded[length] = 0x80;
    put_be32(padded + blocks * 64 - 4, (uint32_t)length * 8);
    for (size_t i = 0; i < blocks; i++)
        sha1_block(h, padded + 64 * i);
    for (int i = 0; i < 5; i++)
        put_be32(digest + 4 * i, h[i]);
}

static void base64_of_20(const uint8_t *in, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t padded[21] = {0};
    memcpy(padded, in, 20);
    for (int i = 0; i < 7; i++) {
        uint32_t group = (uint32_t)padded[3 * i] << 16 | (uint32_t)padded[3 * i + 1] << 8 | padded[3 * i + 2];
        for (int j = 0; j < 4; j++)
            out[4 * i + j] = letters[group >> (18 - 6 * j) & 63];
    }
    out[27] = '=', out[28] = 0;
}

/* Read up to the empty line that ends a request or an answer; one byte at a time, so that no frame is swallowed. */
static void read_head(int fd, char *head, size_t room)
{
    size_t got = 0;
    while (got + 1 < room && (got < 4 || memcmp(head + got - 4, "\r\n\r\n", 4) != 0))
        if (recv(fd, head + got, 1, 0) != 1)
            die("handshake");
        else
            got++;
    head[got] = 0;
}

static void answer_handshake(int fd)
{
    char head[8192], key[128], answer[256], accept[32];
    uint8_t digest[20];
    read_head(fd, head, sizeof head);
    const char *found = strcasestr(head, "Sec-WebSocket-Key:");
    if (found == NULL || sscanf(found + 18, " %60s", key) != 1)
        die("no websocket key");
    strcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    sha1(key, digest);
    base64_of_20(digest, accept);
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    send_all(fd, answer, (size_t)size);
}

/* ---- serving ------------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *wire;  /* every frame with its websocket header, one after another */
    size_t *starts; /* count + 1 of them */
    size_t count, next;
} frames_t;

static size_t put_header(uint8_t *at, uint8_t opcode, size_t size)
{
    at[0] = 0x80 | opcode;
    if (size < 126) {
        at[1] = (uint8_t)size;
        return 2;
    }
    if (size < 65536) {
        at[1] = 126, at[2] = (uint8_t)(size >> 8), at[3] = (uint8_t)size;
        return 4;
    }
    at[1] = 127;
    put_be32(at + 2, 0);
    put_be32(at + 6, (uint32_t)size);
    return 10;
}

static frames_t load_frames(const char *path)
{
    FILE *file = fopen(path, "rb");
    frames_t frames = {NULL, NULL, 0, 0};
    size_t room = 1 << 20, slots = 1024, used = 0;
    uint8_t size_bytes[4];
    if (file == NULL)
        die(path);
    frames.wire = malloc(room);
    frames.starts = malloc(slots * sizeof(size_t));
    while (fread(size_bytes, 1, 4, file) == 4) {
        size_t size = size_bytes[0] | size_bytes[1] << 8 | size_bytes[2] << 16 | (size_t)size_bytes[3] << 24;
        while (used + size + 10 > room)
            frames.wire = realloc(frames.wire, room *= 2);
        if (frames.count + 2 > slots)
            frames.starts = realloc(frames.starts, (slots *= 2) * sizeof(size_t));
        frames.starts[frames.count++] = used;
        used += put_header(frames.wire + used, OP_BINARY, size);
        if (fread(frames.wire + used, 1, size, file) != size)
            die("frames cut short");
        used += size;
    }
    fclose(file);
    frames.starts[frames.count] = used;
    return frames;
}

static void send_mark(int fd, long frames)
{
    char text[64];
    uint8_t message[80];
    int size = snprintf(text, sizeof text, "{\"type\":\"order\",\"data\":{\"frames\":%ld}}", frames);
    size_t header = put_header(message, OP_TEXT, (size_t)size);
    memcpy(message + header, text, (size_t)size);
    send_all(fd, message, header + (size_t)size);
}

/* Answer pings and forget the rest. Clients' control frames are small and come whole over loopback. */
static void hear(int fd)
{
    uint8_t in[65536], pong[128];
    ssize_t got = recv(fd, in, sizeof in, MSG_DONTWAIT);
    if (got == 0)
        exit(0);
    for (ssize_t at = 0; at + 6 <= got;) {
        size_t size = in[at + 1] & 127, header = 2;
        if (size == 126)
            size = (size_t)in[at + 2] << 8 | in[at + 3], header = 4;
        uint8_t *mask = in + at + header, *payload = mask + 4;
        if ((in[at] & 15) == OP_PING && size < 126 && at + 6 + (ssize_t)size <= got) {
            size_t begin = put_header(pong, OP_PONG, size);
            for (size_t i = 0; i < size; i++)
                pong[begin + i] = payload[i] ^ mask[i & 3];
            send_all(fd, pong, begin + size);
        }
        if ((in[at] & 15) == OP_CLOSE)
            exit(0);
        at += (ssize_t)(header + 4 + size);
    }
}

static void stamp(frames_t *frames)
{
    const uint8_t *start = frames->wire + frames->starts[frames->next];
    uint8_t *end = frames->wire + frames->starts[frames->next + 1];
    int64_t now = now_ns(CLOCK_REALTIME);
    for (; end - start > FULL_LENGTH; end -= FULL_LENGTH + 2) { /* from the last packet back to the headers */
        put_be32(end - FULL_LENGTH + STAMP_OFFSET, (uint32_t)(now >> 32));
        put_be32(end - FULL_LENGTH + STAMP_OFFSET + 4, (uint32_t)now);
    }
}

/* One write: as many whole frames as fit into `bytes`, at least one, at most `most`. Returns how many. */
static long send_some(int fd, frames_t *frames, long most, size_t bytes)
{
    size_t first = frames->next, last = first + 1;
    while ((long)(last - first) < most && last < frames->count && frames->starts[last + 1] - frames->starts[first] <= bytes)
        last++;
    send_all(fd, frames->wire + frames->starts[first], frames->starts[last] - frames->starts[first]);
    frames->next = last == frames->count ? 0 : last;
    return (long)(last - first);
}

static void play(int fd, frames_t *frames, long count, size_t bytes, long rate, int stamped)
{
    int64_t start = now_ns(CLOCK_MONOTONIC) + 1000000;
    long sent = 0, writes = 0;
    send_mark(fd, count);
    while (sent < count) {
        if (rate > 0) {
            int64_t due = start + (int64_t)((double)sent * 1e9 / (double)rate);
            struct timespec until = {due / 1000000000, due % 1000000000};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        }
        if (stamped)
            stamp(frames);
        sent += send_some(fd, frames, count - sent, bytes);
        if ((++writes & 63) == 0)
            hear(fd);
    }
    send_mark(fd, 0);
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        die("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int serve(const char *path)
{
    frames_t frames = load_frames(path);
    int on = 1, fd = accept(listen_on_loopback(), NULL, NULL);
    static const uint8_t heartbeat[] = {0x80 | OP_BINARY, 1, 0};
    char line[256];
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    answer_handshake(fd);
    setvbuf(stdin, NULL, _IONBF, 0); /* what is buffered, poll can't see */
    for (;;) {
        struct pollfd both[2] = {{STDIN_FILENO, POLLIN, 0}, {fd, POLLIN, 0}};
        long count, rate;
        size_t bytes;
        int stamped;
        if (poll(both, 2, HEARTBEAT_MS) == 0)
            send_all(fd, heartbeat, sizeof heartbeat);
        if (both[1].revents)
            hear(fd);
        if (!both[0].revents)
            continue;
        if (fgets(line, sizeof line, stdin) == NULL)
            break;
        if (sscanf(line, "go %ld %zu %ld %d", &count, &bytes, &rate, &stamped) == 4)
            play(fd, &frames, count, bytes, rate, stamped);
    }
    close(fd);
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

typedef struct {
    int latency;
    long frames, ticks, noted;
    int64_t wall_ns, cpu_ns;
    int64_t *latencies;
} round_t;

static void print_round(const round_t *round)
{
    printf("{\"frames\":%ld,\"ticks\":%ld,\"wall_ns\":%lld,\"cpu_ns\":%lld,\"latencies_ns\":[", round->frames, round->ticks,
           (long long)(now_ns(CLOCK_MONOTONIC) - round->wall_ns),
           (long long)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - round->cpu_ns));
    for (long i = 0; i < round->noted; i++)
        printf("%s%lld", i ? "," : "", (long long)round->latencies[i]);
    printf("]}\n");
    fflush(stdout);
}

static void on_text(round_t *round, const uint8_t *payload, size_t size)
{
    char text[128] = {0};
    memcpy(text, payload, size < sizeof text ? size : sizeof text - 1);
    const char *found = strstr(text, "\"frames\":");
    if (found == NULL)
        return;
    if (atol(found + 9) == 0) {
        print_round(round);
        return;
    }
    round->frames = round->ticks = round->noted = 0;
    round->wall_ns = now_ns(CLOCK_MONOTONIC);
    round->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void on_binary(round_t *round, const uint8_t *payload, size_t size)
{
    if (size < 2) /* a heartbeat */
        return;
    if (round->latency && round->noted < MOST_LATENCIES) {
        int64_t now = now_ns(CLOCK_REALTIME);
        const uint8_t *at = payload + size - FULL_LENGTH + STAMP_OFFSET;
        round->latencies[round->noted++] = now - ((int64_t)get_be32(at) << 32 | get_be32(at + 4));
    }
    round->frames++;
    round->ticks += payload[0] << 8 | payload[1];
}

/* Hand on the whole messages of `data`; returns how many bytes they took. */
static size_t walk(round_t *round, const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (;;) {
        size_t header = 2, length;
        if (at + 2 > size || ((data[at + 1] & 127) >= 126 && at + 10 > size))
            return at;
        length = data[at + 1] & 127;
        if (length == 126)
            length = (size_t)data[at + 2] << 8 | data[at + 3], header = 4;
        else if (length == 127)
            length = get_be32(data + at + 6), header = 10;
        if (at + header + length > size)
            return at;
        if ((data[at] & 15) == OP_TEXT)
            on_text(round, data + at + header, length);
        else if ((data[at] & 15) == OP_BINARY)
            on_binary(round, data + at + header, length);
        at += header + length;
    }
}

static int connect_to(const char *port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char head[8192];
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_port = htons((uint16_t)atoi(port));
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    send_all(fd, request, sizeof request - 1);
    read_head(fd, head, sizeof head);
    return fd;
}

static int read_frames(const char *port, int latency)
{
    uint8_t *buffer = malloc(RECEIVE_BYTES);
    size_t held = 0;
    int fd = connect_to(port);
    round_t round = {.latency = latency, .latencies = malloc(MOST_LATENCIES * sizeof(int64_t))};
    for (;;) {
        ssize_t got = recv(fd, buffer + held, RECEIVE_BYTES - held, 0);
        if (got <= 0)
            return 0;
        held += (size_t)got;
        size_t used = walk(&round, buffer, held);
        memmove(buffer, buffer + used, held - used);
        held -= used;
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    if (argc == 4 && strcmp(argv[1], "read") == 0)
        return read_frames(argv[2], strcmp(argv[3], "latency") == 0);
    fprintf(stderr, "usage: wire serve FILE | wire read PORT drain|latency\n");
    return 2;
}
