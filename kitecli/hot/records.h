/* The ring's records, as kitecli/market/tick.py draws them, and what their fields say. */
#ifndef KITE_RECORDS_H
#define KITE_RECORDS_H

#include "portable.h"

enum { LTP_LENGTH = 8, INDEX_QUOTE_LENGTH = 28, INDEX_FULL_LENGTH = 32, QUOTE_LENGTH = 44, FULL_LENGTH = 184 };
enum { MODE_LTP = 1, MODE_QUOTE = 2, MODE_FULL = 3 };
enum { FLAG_SNAPSHOT = 1, FLAG_INDEX = 2, FLAG_DEPTH = 4, FLAG_OHLC = 8 };
enum { QUOTE_WORDS = 11, DEPTH_WIRE_BYTES = 120 };
enum { WORD_TOKEN = 0, WORD_LAST_PRICE = 1, WORD_VOLUME = 4 };

/* 64 bytes; `words` are token, last_price, last_quantity, average_price, volume, buy_quantity, sell_quantity,
 * open, high, low, close: the wire's order. */
typedef struct {
    int64_t ts_recv_ns;
    uint32_t words[QUOTE_WORDS];
    uint32_t oi;
    uint32_t ts_event_s;
    uint32_t tail; /* mode | connection << 8 | flags << 16 */
} kite_tick;

/* 128 bytes: the wire's depth, then two fields; oi_day_low in the padding of the first two levels. */
typedef struct {
    uint8_t levels[DEPTH_WIRE_BYTES];
    uint32_t last_trade_time;
    uint32_t oi_day_high;
} kite_depth;

#endif
