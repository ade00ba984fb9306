"""The compiled reading of a master: a CSV in Kite's own form to the sections of its index.

What it returns equals kitecli.market.columns.columns_of of the same rows; what it declines (None), that one judges.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy


cdef extern from "scan.h" nogil:
    ctypedef struct kite_field:
        const char *at
        Py_ssize_t size
        int doubled

    ctypedef struct kite_key:
        uint32_t row

    ctypedef struct kite_slot:
        uint32_t number

    kite_slot *kite_slot_of(kite_slot *slots, const kite_field *field)
    int kite_holds(const kite_slot *slot, const kite_field *field)
    void kite_remember(kite_slot *slot, const kite_field *field, uint32_t number)

    int kite_row(const char **next, const char *end, kite_field *fields)
    int kite_whole(const kite_field *field, int64_t *value)
    int kite_decimal(const kite_field *field, double *value)
    int kite_follows(const kite_field *field, uint32_t token)
    int kite_ascii_symbol(const kite_field *field)
    void kite_set_key(kite_key *key, uint32_t rank, const char *at, uint32_t size, uint32_t row)
    kite_key *kite_order_keys(kite_key *src, kite_key *into, uint32_t count, const char *text, const uint32_t *offset)
    void kite_order_tokens(const uint32_t *token, uint32_t *row, uint32_t *spare, uint32_t count)


cdef class _Words:
    """Texts by number, in the order they first come; most repeat the row before."""

    cdef dict numbers

    def __init__(self):
        self.numbers = {}

    cdef uint32_t number(self, kite_field *field):
        cdef bytes text = field.at[:field.size]
        if field.doubled:
            text = text.replace(b'""', b'"')
        found = self.numbers.get(text)
        if found is None:
            found = self.numbers[text] = len(self.numbers)
        return found


cdef class _Repeated:
    """The numbers of a column's texts, most of which came a few rows before: no object is made for those."""

    cdef _Words words
    cdef kite_slot slots[256]

    def __init__(self, _Words words):
        self.words = words

    cdef uint32_t number(self, kite_field *field) except? 0:
        cdef kite_slot *slot = kite_slot_of(self.slots, field)
        cdef uint32_t number
        if kite_holds(slot, field):
            return slot.number
        number = self.words.number(field)
        kite_remember(slot, field, number)
        return number


cdef bytearray _room(Py_ssize_t size):
    return bytearray(size)


cdef inline uint32_t *_whole(bytearray room):
    return <uint32_t *><char *>room


cdef inline double *_real(bytearray room):
    return <double *><char *>room


# Under this name it isn't replaced by Cython's own reading, which takes 1e-_7 for a number.
_PYTHONS_FLOAT = float


cdef int _number(kite_field *field, double *value) except -1:
    """Whether a field is a number as float() reads it."""
    if kite_decimal(field, value):
        return 1
    try:
        value[0] = _PYTHONS_FLOAT(field.at[:field.size])
    except ValueError:
        return 0
    return 1


cdef class _Sections:
    """The sections while they fill. ``capacity``: at least the number of rows to come."""

    cdef readonly dict parts
    cdef Py_ssize_t rows, text_size, text_room
    cdef char *text
    cdef _Words words
    cdef _Repeated name, type, segment, exchange
    cdef dict kinds
    cdef list odd
    cdef object expiry_of
    cdef kite_slot expiries[256]
    cdef uint32_t kind_slots[256]
    cdef uint32_t expiry_last
    cdef uint32_t *token
    cdef uint32_t *symbol_at
    cdef uint32_t *name_number
    cdef uint32_t *kind
    cdef uint32_t *expiry
    cdef double *last_price
    cdef double *strike
    cdef double *tick_size
    cdef int64_t *lot_size

    def __init__(self, Py_ssize_t capacity, expiry_of):
        self.parts = {
            name: _room(capacity * size)
            for name, size in (
                ("token", 4), ("name", 4), ("kind", 4), ("expiry", 4),
                ("last_price", 8), ("strike", 8), ("tick_size", 8), ("lot_size", 8),
            )
        }
        self.parts["symbol_at"] = _room(4 * (capacity + 1))
        self.text = NULL
        self.words = _Words()
        self.name, self.type = _Repeated(self.words), _Repeated(self.words)
        self.segment, self.exchange = _Repeated(self.words), _Repeated(self.words)
        self.kinds, self.odd, self.expiry_of = {}, [], expiry_of
        self.token, self.symbol_at = _whole(self.parts["token"]), _whole(self.parts["symbol_at"])
        self.name_number, self.kind = _whole(self.parts["name"]), _whole(self.parts["kind"])
        self.expiry = _whole(self.parts["expiry"])
        self.last_price, self.strike = _real(self.parts["last_price"]), _real(self.parts["strike"])
        self.tick_size = _real(self.parts["tick_size"])
        self.lot_size = <int64_t *><char *><bytearray>self.parts["lot_size"]

    cdef int take(self, kite_field *fields) except -1:
        """Add a row; 0 to decline."""
        cdef int64_t token
        cdef Py_ssize_t row = self.rows
        cdef uint32_t type, segment, exchange
        if not kite_whole(&fields[0], &token) or token >> 32 or not kite_ascii_symbol(&fields[2]):
            return 0
        if not kite_whole(&fields[8], &self.lot_size[row]) or not self._date(&fields[5]):
            return 0
        if not (_number(&fields[4], &self.last_price[row]) and _number(&fields[6], &self.strike[row])):
            return 0
        if not _number(&fields[7], &self.tick_size[row]):
            return 0
        if not kite_follows(&fields[1], <uint32_t>token):
            if fields[1].doubled:
                return 0
            self.odd.append((row, <bytes>fields[1].at[:fields[1].size]))
        self.token[row] = <uint32_t>token
        self._add_symbol(&fields[2])
        self.symbol_at[row + 1] = <uint32_t>self.text_size
        self.expiry[row] = self.expiry_last
        self.name_number[row] = self.name.number(&fields[3])
        type = self.type.number(&fields[9])
        segment = self.segment.number(&fields[10])
        exchange = self.exchange.number(&fields[11])
        self.kind[row] = self._kind(type, segment, exchange)
        self.rows += 1
        return 1

    cdef int _add_symbol(self, kite_field *field) except -1:
        cdef char *wider
        if self.text_size + field.size > self.text_room:
            wider = <char *>realloc(self.text, 2 * self.text_room + field.size)
            if wider == NULL:
                raise MemoryError
            self.text, self.text_room = wider, 2 * self.text_room + field.size
        memcpy(self.text + self.text_size, field.at, field.size)
        self.text_size += field.size
        return 0

    def __dealloc__(self):
        free(self.text)

    cdef int _date(self, kite_field *field) except -1:
        cdef kite_slot *slot = kite_slot_of(self.expiries, field)
        if not kite_holds(slot, field):
            try:
                kite_remember(slot, field, self.expiry_of[field.at[:field.size]])
            except ValueError:
                return 0
        self.expiry_last = slot.number
        return not field.doubled

    cdef uint32_t _kind(self, uint32_t type, uint32_t segment, uint32_t exchange) except? 0:
        cdef uint32_t slot = (type * 31 + segment * 7 + exchange) & 63
        cdef uint32_t *known = &self.kind_slots[4 * slot]
        if known[0] != type + 1 or known[1] != segment or known[2] != exchange:
            known[3] = self.kinds.setdefault((type, segment, exchange), len(self.kinds))
            known[0], known[1], known[2] = type + 1, segment, exchange  # 0: nothing there yet
        return known[3]

    cdef dict finished(self):
        """All sections, cut to the rows there were."""
        cdef Py_ssize_t rows = self.rows
        self.parts["symbol_at"] = self.parts["symbol_at"][: 4 * (rows + 1)]
        for name in ("token", "name", "kind", "expiry"):
            self.parts[name] = self.parts[name][: 4 * rows]
        for name in ("last_price", "strike", "tick_size", "lot_size"):
            self.parts[name] = self.parts[name][: 8 * rows]
        self.parts["symbol_text"] = self.text[:self.text_size] if self.text_size else b""
        self.parts["by_token"] = _by_token(self.parts["token"], rows)
        self.parts["by_key"] = self._by_key()
        self.parts["kinds"] = _packed([number for kind in self.kinds for number in kind])
        self._add_odd()
        self._add_words()
        return self.parts

    cdef bytearray _by_key(self):
        cdef list words = list(self.words.numbers), ranks = []
        cdef Py_ssize_t row, rows = self.rows
        cdef bytearray room = _room(4 * rows), kinds = self.parts["kind"], offsets = self.parts["symbol_at"]
        cdef uint32_t *order = _whole(room)
        cdef uint32_t *kind = _whole(kinds)
        cdef uint32_t *at = _whole(offsets)
        cdef const char *text = self.text
        cdef kite_key *keys = <kite_key *>malloc(2 * sizeof(kite_key) * rows)
        cdef kite_key *ordered
        if keys == NULL:
            raise MemoryError
        try:
            names = [words[exchange].decode().upper().encode() for _, _, exchange in self.kinds]
            places = {name: place for place, name in enumerate(sorted(set(names)))}
            ranks = [places[name] for name in names]
            for row in range(rows):
                kite_set_key(&keys[row], ranks[kind[row]], text + at[row], at[row + 1] - at[row], row)
            ordered = kite_order_keys(keys, keys + rows, <uint32_t>rows, text, at)
            for row in range(rows):
                order[row] = ordered[row].row
        finally:
            free(keys)
        return room

    cdef void _add_odd(self):
        numbers = self.words.numbers
        self.parts["odd_row"] = _packed([row for row, _ in self.odd])
        self.parts["odd_word"] = _packed([numbers.setdefault(text, len(numbers)) for _, text in self.odd])

    cdef void _add_words(self):
        at, ends = 0, [0]
        for text in self.words.numbers:
            at += len(text)
            ends.append(at)
        self.parts["word_at"] = _packed(ends)
        self.parts["word_text"] = b"".join(self.words.numbers)


cdef bytes _packed(list numbers):
    from array import array

    return array("I", numbers).tobytes()


cdef bytearray _by_token(bytearray tokens, Py_ssize_t rows):
    cdef bytearray order = _room(4 * rows), spare = _room(4 * rows)
    kite_order_tokens(_whole(tokens), _whole(order), _whole(spare), <uint32_t>rows)
    return order


def scan(bytes csv not None, Py_ssize_t start, expiry_of):
    """The sections of a master's CSV, which is UTF-8, from offset ``start`` behind its header; None to decline.

    ``expiry_of``: a mapping of an expiry's text to its ordinal that raises ValueError for what is no date.
    """
    cdef const char *at = csv
    cdef const char *end = at + len(csv)
    cdef kite_field fields[12]
    cdef _Sections sections
    if not csv.endswith(b"\n") or len(csv) == start:
        return None
    sections = _Sections(csv.count(b"\n"), expiry_of)
    at += start
    while at < end:
        if not kite_row(&at, end, fields) or not sections.take(fields):
            return None
    if len(sections.kinds) >= 1 << 16:
        return None
    return sections.finished()
