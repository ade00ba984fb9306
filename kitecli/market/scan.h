/* Fields of Kite's instrument CSV, taken as they stand. Whatever isn't in Kite's own form is declined (0), for the
 * reference to judge. Order of rows by (exchange, symbol) and by token. */
#ifndef KITE_SCAN_H
#define KITE_SCAN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at;
    Py_ssize_t size;
    int doubled; /* holds "" that means one " */
} kite_field;

/* A quoted field; *next is moved behind its closing quote. */
static int kite_quoted(const char **next, const char *end, kite_field *field) {
    const char *at = *next + 1;
    field->at = at;
    field->doubled = 0;
    for (; at < end; at++) {
        if (*at == '\n' || *at == '\r') return 0;
        if (*at != '"') continue;
        if (at + 1 == end || at[1] != '"') break;
        field->doubled = 1;
        at++;
    }
    if (at >= end) return 0;
    field->size = at - field->at;
    *next = at + 1;
    return 1;
}

/* What ends a field, or has no place in one. A Python bytes object ends in 0, so no field runs past it. */
static const char KITE_ENDS[256] = {[0] = 1, [','] = 1, ['\n'] = 1, ['\r'] = 1, ['"'] = 1};

static int kite_bare(const char **next, kite_field *field) {
    const char *at = *next;
    field->at = at;
    field->doubled = 0;
    while (!KITE_ENDS[(unsigned char)*at]) at++;
    field->size = at - field->at;
    *next = at;
    return *at != '"' && *at != 0;
}

/* Eleven fields each followed by a comma, a twelfth by a line end. */
static int kite_row(const char **next, const char *end, kite_field fields[12]) {
    const char *at = *next;
    for (int number = 0; number < 12; number++) {
        int found = *at == '"' ? kite_quoted(&at, end, &fields[number]) : kite_bare(&at, &fields[number]);
        if (!found || at >= end) return 0;
        if (number < 11 ? *at != ',' : (*at != '\n' && *at != '\r')) return 0;
        if (*at == '\r' && (++at >= end || *at != '\n')) return 0;
        at++;
    }
    *next = at;
    return 1;
}

/* At most 18 digits, which 63 bits hold. */
static int kite_whole(const kite_field *field, int64_t *value) {
    if (field->size < 1 || field->size > 18) return 0;
    int64_t sum = 0;
    for (Py_ssize_t i = 0; i < field->size; i++) {
        unsigned digit = (unsigned char)field->at[i] - '0';
        if (digit > 9) return 0;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return 1;
}

static const double KITE_TENS[16] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* Up to 15 digits and a point: both integers are exact doubles, so the one division rounds as strtod would. */
static int kite_decimal(const kite_field *field, double *value) {
    int64_t sum = 0;
    int digits = 0, places = -1;
    for (Py_ssize_t i = 0; i < field->size; i++) {
        unsigned digit = (unsigned char)field->at[i] - '0';
        if (field->at[i] == '.' && places < 0) { places = 0; continue; }
        if (digit > 9 || ++digits > 15) return 0;
        sum = sum * 10 + digit;
        if (places >= 0) places++;
    }
    if (!digits) return 0;
    *value = (double)sum / KITE_TENS[places > 0 ? places : 0];
    return 1;
}

/* Whether a field is what token >> 8 looks like in digits. */
static int kite_follows(const kite_field *field, uint32_t token) {
    int64_t value;
    if (field->size > 1 && field->at[0] == '0') return 0;
    return kite_whole(field, &value) && value == (int64_t)(token >> 8);
}

static int kite_ascii_symbol(const kite_field *field) {
    for (Py_ssize_t i = 0; i < field->size; i++)
        if ((signed char)field->at[i] <= 0) return 0;
    return !field->doubled;
}

/* A text that came before, with its number; where it is looked for depends on its letters. */
typedef struct {
    const char *at;
    Py_ssize_t size;
    uint32_t number;
} kite_slot;

static kite_slot *kite_slot_of(kite_slot slots[256], const kite_field *field) {
    Py_ssize_t size = field->size;
    unsigned hash = (unsigned)size;
    for (Py_ssize_t i = 0; i < size && i < 16; i++) hash = hash * 31 + (unsigned char)field->at[i];
    return &slots[(hash ^ hash >> 8) & 255];
}

static int kite_holds(const kite_slot *slot, const kite_field *field) {
    return slot->at && !field->doubled && slot->size == field->size && !memcmp(slot->at, field->at, (size_t)field->size);
}

static void kite_remember(kite_slot *slot, const kite_field *field, uint32_t number) {
    if (field->doubled) return;
    slot->at = field->at;
    slot->size = field->size;
    slot->number = number;
}

/* A row to be ordered: its exchange's rank and the symbol's first 22 letters in upper case, compared as numbers. */
typedef struct {
    uint64_t word[3];
    uint32_t size, row;
} kite_key;

static unsigned char kite_upper(char letter) {
    return (unsigned char)(letter >= 'a' && letter <= 'z' ? letter - 32 : letter);
}

static void kite_set_key(kite_key *key, uint32_t rank, const char *at, uint32_t size, uint32_t row) {
    unsigned char text[24] = {(unsigned char)(rank >> 8), (unsigned char)rank};
    for (uint32_t i = 0; i < 22 && i < size; i++) text[2 + i] = kite_upper(at[i]);
    for (int part = 0; part < 3; part++) {
        key->word[part] = 0;
        for (int i = 0; i < 8; i++) key->word[part] = key->word[part] << 8 | text[part * 8 + i];
    }
    key->size = size;
    key->row = row;
}

/* Whether a stands behind b; equal ones stay in the order of their rows. */
static int kite_behind(const kite_key *a, const kite_key *b, const char *text, const uint32_t *offset) {
    for (int part = 0; part < 3; part++)
        if (a->word[part] != b->word[part]) return a->word[part] > b->word[part];
    for (uint32_t i = 22; i < a->size && i < b->size; i++) {
        unsigned char left = kite_upper(text[offset[a->row] + i]), right = kite_upper(text[offset[b->row] + i]);
        if (left != right) return left > right;
    }
    return a->size > b->size;
}

/* Merge sort, stable, from one half into the other; returns the half that holds the result. */
static kite_key *kite_order_keys(kite_key *from, kite_key *into, uint32_t count, const char *text, const uint32_t *offset) {
    for (uint64_t run = 1; run < count; run *= 2) {
        for (uint64_t start = 0; start < count; start += 2 * run) {
            uint64_t middle = start + run < count ? start + run : count, end = middle + run < count ? middle + run : count;
            uint64_t left = start, right = middle, out = start;
            /* a master comes in long runs that are in order already */
            if (middle == end || !kite_behind(&from[middle - 1], &from[middle], text, offset)) {
                memcpy(&into[start], &from[start], (size_t)(end - start) * sizeof(kite_key));
                continue;
            }
            while (left < middle && right < end)
                into[out++] = kite_behind(&from[left], &from[right], text, offset) ? from[right++] : from[left++];
            memcpy(&into[out], &from[left], (size_t)(middle - left) * sizeof(kite_key));
            out += middle - left;
            memcpy(&into[out], &from[right], (size_t)(end - right) * sizeof(kite_key));
        }
        kite_key *swap = from;
        from = into, into = swap;
    }
    return from;
}

/* Rows in the order of their tokens, equal ones as they stand: four stable passes of a byte each. */
static void kite_order_tokens(const uint32_t *token, uint32_t *row, uint32_t *spare, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) row[i] = i;
    for (int shift = 0; shift < 32; shift += 8) {
        uint32_t start[257] = {0}, *swap;
        for (uint32_t i = 0; i < count; i++) start[(token[i] >> shift & 0xFF) + 1]++;
        for (int value = 0; value < 256; value++) start[value + 1] += start[value];
        for (uint32_t i = 0; i < count; i++) spare[start[token[row[i]] >> shift & 0xFF]++] = row[i];
        swap = row, row = spare, spare = swap; /* an even number of times: the result ends where it was wanted */
    }
}

#endif
