# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
# mypy: disable-error-code="index, misc, valid-type, name-defined, type-arg, assignment"
"""Master-file text (RFC 1035 section 5, RFC 2308 $TTL, RFC 3597, BIND's $GENERATE) to a record stream, in one pass.

In: the bytes of a file, an origin, and a `Host` for what needs files or rare knowledge. Out: the packed records of
`records.py`, and every error with its place: after an error scanning goes on at the next record. The types in
`Scanner._rdata` are read here, without a Python object per record; all others go through `Host.rare`.
It opens no file, and knows no zone rules: a record outside the zone is `compile.py`'s business.

All of it is one module and one class, longer than the house likes, because compiled helpers work on the scanner's
position and buffers for every byte, and no module calls another one's compiled functions. What isn't called for
every record lives in `words.py` and `generate.py`.
"""

from __future__ import annotations

from array import array

try:
    import cython
except ModuleNotFoundError:  # Cython is only needed to build
    from pippin.engine import shim as cython

from pippin.engine import generate, words

MAX_ERRORS = 1000
"""Errors kept for one zone; a zone in the wrong format has one a line. The others are counted."""
MAX_COUNTED = 50_000
"""Errors counted after those; then the rest of the text is not looked at. Errors take longer than records."""
MAX_NESTING = 16
"""Files open inside each other by $INCLUDE."""
MAX_REWINDS = 16
"""How often scanning goes back to a parenthesis that is never closed; each time costs reading to the end of file."""
MAX_TTL = 2147483647
"""RFC 2181 section 8: a TTL is 31 bits."""

PLAIN = cython.declare(cython.uchar, words.PLAIN)
DOT = cython.declare(cython.uchar, words.DOT)
ESCAPE = cython.declare(cython.uchar, words.ESCAPE)
BLANK = cython.declare(cython.uchar, words.BLANK)
NEWLINE = cython.declare(cython.uchar, words.NEWLINE)
QUOTE = cython.declare(cython.uchar, words.QUOTE)
COMMENT = cython.declare(cython.uchar, words.COMMENT)
OPEN = cython.declare(cython.uchar, words.OPEN)
NOT_A_DIGIT = cython.declare(cython.uchar, words.NOT_A_DIGIT)
HEADER = cython.declare(cython.Py_ssize_t, 20)  # records.HEADER.size
ROOM = cython.declare(
    cython.Py_ssize_t, 70000
)  # more than one record can take: 20 + 255 + 65535, and one field over
MAX_RDATA = cython.declare(cython.Py_ssize_t, 65535)
MAX_NAME_TEXT = cython.declare(cython.Py_ssize_t, 1024)  # 255 bytes, each written as \DDD


class Host:
    """What the scanner asks of its surroundings. Every method raises ValueError with a message for the user."""

    types: dict[str, int]
    """Mnemonic to number, for every type that can be written by name."""
    table: tuple[array[int], array[int]]
    """`words.type_table(types)`, made once and not for every zone."""

    def rare(self, rdtype: int, text: str, origin: bytes) -> bytes:
        """Rdata in wire form, uncompressed, for a type the scanner does not read; `text` is on one line."""
        raise NotImplementedError

    def generic(self, rdtype: int, wire: bytes) -> bytes:
        """The rdata given as RFC 3597 hex, checked if the type is known."""
        raise NotImplementedError

    def include(self, path: str, file: int) -> tuple[int, bytes]:
        """The number and the text of a file that is included by file number `file`."""
        raise NotImplementedError


class Wrong(Exception):
    """One error in the text: its offset, the message, and the line it is in (0: the line scanning has come to)."""

    def __init__(self, offset: int, message: str, line: int = 0, line_start: int = 0) -> None:
        self.offset = offset
        self.message = message
        self.line = line
        self.line_start = line_start


@cython.final
@cython.cclass
class Scanner:
    """Reads texts one after the other into one record stream.

    `origin`: wire form, or b"" if it has to be found: by the first $ORIGIN, an absolute SOA owner, or, as soon as a
    relative name needs one, `fallback`.
    """

    _host: Host
    _types: dict[str, int]
    _kind: cython.const[cython.uchar][::1]
    _hex: cython.const[cython.uchar][::1]
    _base32: cython.const[cython.uchar][::1]
    _base64: cython.const[cython.uchar][::1]
    _keys: cython.ulonglong[::1]
    _numbers: cython.ushort[::1]

    _text: cython.const[cython.uchar][::1]
    _source: bytes
    _size: cython.Py_ssize_t
    _position: cython.Py_ssize_t
    _line: cython.uint
    _line_start: cython.Py_ssize_t
    _column: cython.uint
    _file: cython.uint
    _nesting: cython.int

    _start: cython.Py_ssize_t
    _end: cython.Py_ssize_t
    _quoted: cython.bint
    _pending: cython.bint
    _depth: cython.int
    _open: cython.Py_ssize_t
    _open_line: cython.uint
    _open_line_start: cython.Py_ssize_t
    _rewinds: cython.int

    _stream: bytearray
    _out: cython.uchar[::1]
    _room: cython.Py_ssize_t
    _used: cython.Py_ssize_t
    _at: cython.Py_ssize_t
    _rdata_at: cython.Py_ssize_t
    _type: cython.uint
    _data: cython.Py_ssize_t
    _data_line: cython.uint
    _data_line_start: cython.Py_ssize_t

    _origin: cython.const[cython.uchar][::1]
    _origin_length: cython.Py_ssize_t
    _origin_bytes: bytes
    _fallback: bytes
    _zone: bytes
    _zone_is_final: cython.bint
    _owner_at: cython.Py_ssize_t
    _owner_length: cython.Py_ssize_t
    _kept_owner: bytes

    _default_ttl: cython.longlong
    _last_ttl: cython.longlong

    _bits: cython.uchar[::1]
    _errors: list[tuple[int, int, int, str]]
    _unreported: cython.Py_ssize_t

    def __init__(self, host: Host, origin: bytes = b"", fallback: bytes = b"") -> None:
        self._host = host
        self._types = host.types
        self._kind = words.KINDS
        self._hex = words.HEX
        self._base32 = words.BASE32
        self._base64 = words.BASE64
        keys, numbers = host.table
        self._keys = keys
        self._numbers = numbers
        self._bits = bytearray(8192)
        self._stream = bytearray(1)
        self._out = self._stream
        self._room = 1
        self._used = 0
        self._owner_at = -1
        self._owner_length = 0
        self._kept_owner = b""
        self._fallback = fallback
        self._zone = origin
        self._zone_is_final = len(origin) > 0
        self._set_origin(origin)
        self._default_ttl = -1
        self._last_ttl = -1
        self._errors = []
        self._unreported = 0
        self._data = 0
        self._data_line = 0
        self._data_line_start = 0
        self._nesting = 0
        self._depth = 0
        self._rewinds = 0
        self._column = 0
        self._pending = False

    def scan(self, text: bytes, file: int = 0, line: int = 1) -> None:
        """Read a whole text. `file` numbers it in the records and errors; its first line is `line`."""
        self._need_room(len(text))
        self._open_text(text, file, line)
        if text.startswith(b"\xef\xbb\xbf"):
            self._position = 3
            self._line_start = 3
        self._run()

    def use_default_ttl(self, ttl: int) -> None:
        """Act as if the text had said $TTL."""
        self._default_ttl = ttl

    def take(self) -> bytearray:
        """The record stream. The scanner is done after this."""
        stream = self._stream
        self._stream = bytearray(1)
        self._out = self._stream
        del stream[self._used :]
        return stream

    def errors(self) -> list[tuple[int, int, int, str]]:
        """(file, line, column, message) of each error so far, at most MAX_ERRORS; columns count characters from 1."""
        return self._errors

    def unreported(self) -> int:
        """How many errors were found after the first MAX_ERRORS; at MAX_COUNTED scanning stops."""
        return self._unreported

    def zone(self) -> bytes:
        """The zone's name: as given, else the owner of the first SOA, else the first $ORIGIN, else b""."""
        return self._zone

    # ---- records and errors

    @cython.cfunc
    def _open_text(self, text: bytes, file: cython.uint, line: cython.uint) -> cython.int:
        self._text = text
        self._source = text
        self._size = len(text)
        self._position = 0
        self._line = line
        self._line_start = 0
        self._file = file
        return 0

    @cython.cfunc
    def _run(self) -> cython.int:
        """Scan to the end of the text; every error is noted and skipped."""
        going: cython.bint = True
        while going:
            try:
                self._records()
                going = False
            except Wrong as wrong:
                self._keep_owner()
                self._recover(wrong)
        return 0

    @cython.cfunc
    def _records(self) -> cython.int:
        """The main loop: one record, directive or empty line a turn."""
        leading: cython.bint
        while self._position < self._size:
            self._depth = 0
            self._pending = False
            leading = self._kind[self._text[self._position]] == BLANK
            if not self._next():
                if self._position < self._size:  # at the newline
                    self._position += 1
                    self._line += 1
                    self._line_start = self._position
                continue
            if self._text[self._start] == 36 and not self._quoted:  # $
                self._directive()
            else:
                self._record(leading)
        return 0

    @cython.cfunc
    def _record(self, owner_omitted: cython.bint) -> cython.int:
        """One record whose first token is at hand."""
        line: cython.uint = self._line
        column: cython.Py_ssize_t = self._start - self._line_start + 1
        base: cython.Py_ssize_t
        begin: cython.Py_ssize_t
        i: cython.Py_ssize_t
        ttl: cython.longlong = -1
        has_class: cython.bint = False
        self._need_room(0)
        base = self._used
        begin = base + HEADER
        self._at = begin
        if owner_omitted:
            if self._owner_length == 0:
                raise self._wrong("the first record has no owner; its line must begin with a name or @")
            if self._owner_at >= 0:
                for i in range(self._owner_length):
                    self._out[begin + i] = self._out[self._owner_at + i]
            else:
                for i in range(self._owner_length):
                    self._out[begin + i] = self._kept_owner[i]
            self._at += self._owner_length
            self._pending = True
        else:
            self._name("an owner name")
            self._owner_length = self._at - begin
        self._owner_at = begin

        while True:
            self._want("a record type")
            if self._quoted:
                raise self._wrong("a record type belongs here, and is written without quotes")
            if 48 <= self._text[self._start] <= 57:
                if ttl >= 0:
                    raise self._wrong(f"{self._shown()} follows a TTL; a record type belongs here")
                ttl = self._seconds(MAX_TTL, "a TTL")
            elif self._type_word():
                break
            elif has_class:
                raise self._wrong("the class is given twice; a record type belongs here")
            else:
                has_class = True
        if self._type == 6 and not self._zone_is_final:
            self._found_soa(begin)

        self._rdata_at = self._at
        self._rdata()
        if self._at - self._rdata_at > MAX_RDATA:
            raise self._wrong(f"the data of this record is longer than {MAX_RDATA} bytes")

        if ttl >= 0:
            self._last_ttl = ttl
        else:
            ttl = self._implied_ttl()
        self._put16(base, self._owner_length)
        self._put16(base + 2, self._type)
        self._put32(base + 4, ttl)
        self._put16(base + 8, self._at - self._rdata_at)
        self._put16(base + 10, self._file)
        self._put32(base + 12, line)
        if self._column:
            column = self._column
        self._put16(base + 16, column if column < 65536 else 65535)
        self._put16(base + 18, 0)
        self._used = self._at
        return 0

    @cython.cfunc
    def _implied_ttl(self) -> cython.longlong:
        """$TTL, else the last TTL (RFC 1035), else the SOA minimum (what BIND does for want of both)."""
        at: cython.Py_ssize_t = self._at - 4
        if self._default_ttl >= 0:
            return self._default_ttl
        if self._last_ttl >= 0:
            return self._last_ttl
        if self._type != 6:
            raise self._wrong("the record has no TTL, and there is none to take over; write $TTL above it")
        self._default_ttl = (
            (self._out[at] & 127) * 16777216
            + self._out[at + 1] * 65536
            + self._out[at + 2] * 256
            + self._out[at + 3]
        )
        return self._default_ttl

    @cython.cfunc
    def _found_soa(self, begin: cython.Py_ssize_t) -> cython.int:
        self._zone = bytes(self._out[begin : begin + self._owner_length])
        self._zone_is_final = True
        if self._origin_length == 0:
            self._set_origin(self._zone)
        return 0

    @cython.cfunc
    def _keep_owner(self) -> cython.int:
        """The owner of a record that failed still counts for the lines after it; its bytes will be written over."""
        if self._owner_at >= self._used:
            self._kept_owner = bytes(self._out[self._owner_at : self._owner_at + self._owner_length])
            self._owner_at = -1
        return 0

    @cython.cfunc
    def _need_room(self, size: cython.Py_ssize_t) -> cython.int:
        """Make the output hold `size` bytes more, and one whole record."""
        wanted: cython.Py_ssize_t = self._used + size + ROOM
        if self._room >= wanted:
            return 0
        if wanted < self._room + self._room // 4:
            wanted = self._room + self._room // 4
        self._out = self._bits  # a bytearray cannot grow while there is a view on it
        self._stream.extend(bytes(wanted - self._room))
        self._out = self._stream
        self._room = wanted
        return 0

    @cython.cfunc
    def _put16(self, at: cython.Py_ssize_t, value: cython.Py_ssize_t) -> cython.int:
        self._out[at] = value & 255
        self._out[at + 1] = (value >> 8) & 255
        return 0

    @cython.cfunc
    def _put32(self, at: cython.Py_ssize_t, value: cython.longlong) -> cython.int:
        self._out[at] = value & 255
        self._out[at + 1] = (value >> 8) & 255
        self._out[at + 2] = (value >> 16) & 255
        self._out[at + 3] = (value >> 24) & 255
        return 0

    @cython.cfunc
    def _wrong(self, message: str) -> Wrong:
        """An error at the current token."""
        return Wrong(self._start, message)

    @cython.cfunc
    def _wrong_data(self, message: str) -> Wrong:
        """An error in the record data as a whole, shown where it begins."""
        return Wrong(self._data, message, self._data_line, self._data_line_start)

    @cython.cfunc
    def _shown(self) -> str:
        return "'" + generate.shown(self._source[self._start : self._end]) + "'"

    @cython.cfunc
    def _type_shown(self) -> str:
        number = int(self._type)
        for mnemonic, known in self._types.items():
            if known == number:
                return str(mnemonic)
        return f"TYPE{number}"

    @cython.cfunc
    def _note(self, line: cython.uint, column: cython.Py_ssize_t, message: str) -> cython.int:
        if len(self._errors) < MAX_ERRORS:
            self._errors.append((int(self._file), int(line), int(column), message))
        else:
            self._unreported += 1
            if self._unreported >= MAX_COUNTED:
                self._position = self._size
        return 0

    @cython.cfunc
    def _recover(self, wrong: Wrong) -> cython.int:
        """Note the error and go to the next line that is outside all parentheses."""
        line: cython.uint = self._line
        column: cython.Py_ssize_t = self._character(self._line_start, wrong.offset)
        message = str(wrong.message)
        if wrong.line:
            line = wrong.line
            column = self._character(wrong.line_start, wrong.offset)
        kind: cython.uchar
        p: cython.Py_ssize_t = self._position
        while p < self._size:
            kind = self._kind[self._text[p]]
            p += 1
            if kind == ESCAPE:
                if p < self._size and self._text[p] != 10:
                    p += 1
            elif kind == QUOTE:
                p = self._closing_quote(p) + 1
            elif kind == COMMENT:
                p = self._line_end(p)
            elif kind == OPEN:
                self._opened(p - 1)
            elif kind > OPEN:
                if self._depth > 0:
                    self._depth -= 1
            elif kind == NEWLINE:
                self._line += 1
                self._line_start = p
                if self._depth == 0:
                    break
        self._position = min(p, self._size)
        if self._depth > 0:
            # What was wrong inside matters less than that the parenthesis swallowed the rest of the file.
            line = self._open_line
            column = self._character(self._open_line_start, self._open)
            message = "this parenthesis is never closed; the record must end with )"
            if self._rewinds < MAX_REWINDS:
                self._rewinds += 1
                self._position = self._line_end(self._open)
                self._line = self._open_line
                self._line_start = self._open_line_start
            self._depth = 0
        if self._column:
            column = self._column
        self._note(line, column, message)
        return 0

    @cython.cfunc
    def _character(self, line_start: cython.Py_ssize_t, offset: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The column, in characters from 1, of an offset."""
        return len(self._source[line_start : max(offset, line_start)].decode("utf-8", "replace")) + 1

    # ---- tokens

    @cython.cfunc
    def _next(self) -> cython.bint:
        """Go to the next token of this record; False, and stay before the newline, if there is none."""
        p: cython.Py_ssize_t = self._position
        size: cython.Py_ssize_t = self._size
        kind: cython.uchar
        while p < size:
            kind = self._kind[self._text[p]]
            if kind <= ESCAPE:
                self._start = p
                while True:
                    p += 1
                    if kind == ESCAPE:
                        if p >= size or self._text[p] == 10:
                            self._position = p
                            raise Wrong(
                                p - 1, "nothing follows the backslash; it takes a character or three digits"
                            )
                        p += 1
                    if p >= size:
                        break
                    kind = self._kind[self._text[p]]
                    if kind > ESCAPE:
                        break
                self._quoted = False
                self._end = p
                self._position = p
                return True
            if kind == BLANK:
                p += 1
            elif kind == QUOTE:
                self._start = p + 1
                self._end = self._closing_quote(p + 1)
                self._position = self._end + 1
                self._quoted = True
                if self._end >= size or self._text[self._end] != 34:
                    self._position = self._end
                    raise Wrong(
                        p, "this quote is never closed; a quoted string ends on the line it begins on"
                    )
                return True
            elif kind == COMMENT:
                p = self._line_end(p)
            elif kind == NEWLINE:
                if self._depth == 0:
                    break
                p += 1
                self._line += 1
                self._line_start = p
            elif kind == OPEN:
                self._opened(p)
                p += 1
            else:
                self._position = p + 1
                if self._depth == 0:
                    raise Wrong(p, "this parenthesis was never opened; remove it, or open it with ( before")
                self._depth -= 1
                p += 1
        self._position = p
        self._start = p
        self._end = p
        self._quoted = False
        if self._depth > 0:
            raise Wrong(p, "")  # _recover says it better
        return False

    @cython.cfunc
    def _opened(self, p: cython.Py_ssize_t) -> cython.int:
        if self._depth == 0:
            self._open = p
            self._open_line = self._line
            self._open_line_start = self._line_start
        self._depth += 1
        return 0

    @cython.cfunc
    def _line_end(self, p: cython.Py_ssize_t) -> cython.Py_ssize_t:
        while p < self._size and self._text[p] != 10:
            p += 1
        return p

    @cython.cfunc
    def _closing_quote(self, p: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The offset of the closing quote, or of the newline or end of text that comes first."""
        c: cython.uchar
        while p < self._size:
            c = self._text[p]
            if c == 34 or c == 10:
                return p
            p += 1
            if c == 92 and p < self._size and self._text[p] != 10:
                p += 1
        return self._size

    @cython.cfunc
    def _more(self) -> cython.bint:
        """Is there another token? It is then the current one."""
        if self._pending:
            self._pending = False
            return True
        return self._next()

    @cython.cfunc
    def _want(self, what: str) -> cython.int:
        """Go to the next token, which must be there."""
        if self._pending:
            self._pending = False
        elif not self._next():
            raise self._wrong(f"the record ends here; {what} is missing")
        return 0

    @cython.cfunc
    def _plain(self, what: str) -> cython.int:
        """Go to the next token, which must be there and not be quoted."""
        self._want(what)
        if self._quoted:
            raise self._wrong(f"{what} belongs here, and is written without quotes")
        return 0

    @cython.cfunc
    def _ends(self) -> cython.int:
        """The record must end here."""
        if self._next():
            raise self._wrong(
                f"{self._shown()} is more than {self._type_shown()} data has; another record needs a line of its own"
            )
        return 0

    @cython.cfunc
    def _remainder(self) -> bytes:
        """All tokens left, on one line as they were written, without parentheses and comments."""
        parts: list[bytes] = []
        last: cython.Py_ssize_t = -1
        first: cython.Py_ssize_t = -1
        begin: cython.Py_ssize_t
        end: cython.Py_ssize_t
        while self._more():
            begin = self._start - 1 if self._quoted else self._start
            end = self._end + 1 if self._quoted else self._end
            if first < 0:
                first = begin
            elif begin != last:
                parts.append(b" ")
            parts.append(self._source[begin:end])
            last = end
        if first >= 0:
            self._start = first  # an error in the whole is shown at its beginning
            self._end = self._position
        return b"".join(parts)

    # ---- directives

    @cython.cfunc
    def _directive(self) -> cython.int:
        word = self._source[self._start : self._end].decode("latin-1").upper()
        self._type = 0
        if word == "$TTL":
            self._plain("the TTL")
            self._default_ttl = self._seconds(MAX_TTL, "a TTL")
        elif word == "$ORIGIN":
            self._plain("the origin")
            if self._origin_length == 0 and self._text[self._end - 1] != 46:
                raise self._wrong(f"{self._shown()} is relative, but no origin is known; end it with a dot")
            origin = self._name_apart("an origin")
            self._end_of_directive()
            self._set_origin(origin)
            if len(self._zone) == 0:
                self._zone = origin
        elif word == "$INCLUDE":
            self._include()
        elif word == "$GENERATE":
            self._generate()
        else:
            raise self._wrong(words.unknown_directive(generate.shown(self._source[self._start : self._end])))
        self._end_of_directive()
        return 0

    @cython.cfunc
    def _end_of_directive(self) -> cython.int:
        if self._next():
            raise self._wrong(f"{self._shown()} is more than the directive takes; it must end before this")
        return 0

    @cython.cfunc
    def _name_apart(self, what: str) -> bytes:
        """The current token as a name of its own, not as part of a record."""
        self._need_room(0)
        self._keep_owner()
        self._at = self._used
        self._name(what)
        return bytes(self._out[self._used : self._at])

    @cython.cfunc
    def _set_origin(self, origin: bytes) -> cython.int:
        self._origin_bytes = origin
        self._origin_length = len(origin)
        self._origin = origin if origin else b"\0"
        return 0

    @cython.cfunc
    def _include(self) -> cython.int:
        """$INCLUDE path [origin]: origin, owner and TTLs of the including file come back afterwards."""
        origin = self._origin_bytes
        self._want("the path of the file to include")
        start: cython.Py_ssize_t = self._start
        path = self._unescaped().decode("utf-8", "surrogateescape")
        if self._next():
            origin = self._name_apart("an origin")
            self._end_of_directive()
        self._start = start
        if self._nesting >= MAX_NESTING:
            raise self._wrong(f"files include each other more than {MAX_NESTING} deep")
        try:
            file, text = self._host.include(path, int(self._file))
        except ValueError as error:
            raise self._wrong(str(error)) from None
        self._nested(text, file, 1, 0, origin)
        return 0

    @cython.cfunc
    def _generate(self) -> cython.int:
        """$GENERATE range owner [TTL] [class] type data: every line made is scanned as if it stood here."""
        column: cython.Py_ssize_t = self._start - self._line_start + 1
        failed: cython.Py_ssize_t
        self._plain("a range such as 1-254")
        try:
            numbers = generate.steps(self._source[self._start : self._end])
            template = self._remainder()
            if len(template.split(None, 2)) < 3:
                raise ValueError("a range, an owner, a type and data belong after $GENERATE")
            for number in numbers:
                failed = len(self._errors) + self._unreported
                line = generate.expand(template, number)
                self._nested(line, self._file, self._line, column, self._origin_bytes)
                if len(self._errors) + self._unreported > failed:
                    if self._unreported == 0:
                        file, at, place, message = self._errors.pop()
                        message = f"in the generated line '{generate.shown(line)}': {message}"
                        self._errors.append((file, at, place, message))
                    break  # the other lines would fail alike
        except ValueError as error:
            raise self._wrong(str(error)) from None
        return 0

    @cython.cfunc
    def _nested(
        self, text: bytes, file: cython.uint, line: cython.uint, column: cython.uint, origin: bytes
    ) -> cython.int:
        """Scan a text inside this one. With `column`, it all counts as being at that place of this text."""
        outer_text = self._source
        outer_origin = self._origin_bytes
        outer_file: cython.uint = self._file
        outer_line: cython.uint = self._line
        outer_line_start: cython.Py_ssize_t = self._line_start
        outer_column: cython.uint = self._column
        outer_position: cython.Py_ssize_t = self._position
        outer_default: cython.longlong = self._default_ttl
        outer_last: cython.longlong = self._last_ttl
        outer_owner_at: cython.Py_ssize_t = self._owner_at
        outer_owner_length: cython.Py_ssize_t = self._owner_length
        outer_kept_owner = self._kept_owner
        outer_depth: cython.int = self._depth
        self._nesting += 1
        self._column = column
        self._set_origin(origin)
        self._open_text(text, file, line)
        if not column:
            self._need_room(len(text))
        self._run()
        self._open_text(outer_text, outer_file, outer_line)
        self._set_origin(outer_origin or self._zone)
        self._nesting -= 1
        self._column = outer_column
        self._line_start = outer_line_start
        self._position = outer_position
        self._default_ttl = outer_default
        self._last_ttl = outer_last
        self._owner_at = outer_owner_at
        self._owner_length = outer_owner_length
        self._kept_owner = outer_kept_owner
        self._depth = outer_depth
        return 0

    # ---- what tokens say

    @cython.cfunc
    def _name(self, what: str) -> cython.int:
        """Write the current token as an absolute name."""
        p: cython.Py_ssize_t = self._start
        end: cython.Py_ssize_t = self._end
        begin: cython.Py_ssize_t = self._at
        mark: cython.Py_ssize_t = begin
        at: cython.Py_ssize_t = begin + 1
        c: cython.uchar
        kind: cython.uchar
        if self._quoted:
            raise self._wrong(f"{what} belongs here, and is written without quotes")
        if end - p == 1:
            c = self._text[p]
            if c == 64:  # @
                return self._append_origin(begin)
            if c == 46:  # the root
                self._out[begin] = 0
                self._at = at
                return 0
        if end - p > MAX_NAME_TEXT:
            raise self._wrong(f"{self._shown()} is too long for a name; a name has at most 255 bytes")
        while p < end:
            c = self._text[p]
            kind = self._kind[c]
            p += 1
            if kind == PLAIN:
                self._out[at] = c
            elif kind == DOT:
                if at - mark == 1:
                    raise self._wrong(f"{self._shown()} has an empty label; labels are joined by single dots")
                if at - mark > 64:
                    raise self._long_label(at - mark - 1)
                self._out[mark] = at - mark - 1
                mark = at
            else:
                self._out[at] = self._escaped(p, end)
                p = p + 3 if 48 <= self._text[p] <= 57 else p + 1
            at += 1
        if at - mark == 1:
            self._out[mark] = 0
            self._at = at
        else:
            if at - mark > 64:
                raise self._long_label(at - mark - 1)
            self._out[mark] = at - mark - 1
            self._append_origin(at)
        if self._at - begin > 255:
            raise self._wrong(
                f"{self._shown()} makes a name of {self._at - begin} bytes; at most 255 are allowed"
            )
        return 0

    @cython.cfunc
    def _append_origin(self, at: cython.Py_ssize_t) -> cython.int:
        i: cython.Py_ssize_t
        if self._origin_length == 0:
            if len(self._fallback) == 0:
                raise self._wrong(
                    f"{self._shown()} is relative, but no origin is known; write $ORIGIN above it"
                )
            self._set_origin(self._fallback)
            if len(self._zone) == 0:
                self._zone = self._fallback
        for i in range(self._origin_length):
            self._out[at + i] = self._origin[i]
        self._at = at + self._origin_length
        return 0

    @cython.cfunc
    def _long_label(self, length: cython.Py_ssize_t) -> Wrong:
        return self._wrong(f"{self._shown()} has a label of {length} bytes; at most 63 are allowed")

    @cython.cfunc
    def _escaped(self, p: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """The byte that an escape stands for; `p` is after the backslash. A digit there means three digits."""
        value: cython.int = 0
        c: cython.uchar
        i: cython.Py_ssize_t
        if p < end and not 48 <= self._text[p] <= 57:
            return self._text[p]
        for i in range(3):
            c = self._text[p + i] if p + i < end else 0
            if not 48 <= c <= 57:
                raise Wrong(p - 1, "a backslash and a digit must be three digits, as in \\065")
            value = value * 10 + (c - 48)
        if value > 255:
            raise Wrong(p - 1, f"'\\{value}' is not a byte; the number goes from 000 to 255")
        return value

    @cython.cfunc
    def _unescaped(self) -> bytes:
        """The current token as bytes with escapes replaced."""
        parts = bytearray()
        p: cython.Py_ssize_t = self._start
        while p < self._end:
            c: cython.int = self._text[p]
            p += 1
            if c == 92:
                c = self._escaped(p, self._end)
                p = p + 3 if 48 <= self._text[p] <= 57 else p + 1
            parts.append(c)
        return bytes(parts)

    @cython.cfunc
    def _character_string(self, what: str, counted: cython.bint) -> cython.int:
        """Write the next token as a character-string (RFC 1035 section 3.3), or without its length byte."""
        self._want(what)
        p: cython.Py_ssize_t = self._start
        end: cython.Py_ssize_t = self._end
        mark: cython.Py_ssize_t = self._at
        at: cython.Py_ssize_t = mark + 1 if counted else mark
        limit: cython.Py_ssize_t = mark + 256 if counted else self._rdata_at + MAX_RDATA
        c: cython.uchar
        if mark - self._rdata_at > MAX_RDATA:
            raise self._wrong(f"the data of this record is longer than {MAX_RDATA} bytes")
        while p < end:
            c = self._text[p]
            p += 1
            if c == 92:
                c = self._escaped(p, end)
                p = p + 3 if 48 <= self._text[p] <= 57 else p + 1
            if at >= limit:
                raise self._wrong(
                    "this string is too long; longer text is split into strings of at most 255 bytes"
                )
            self._out[at] = c
            at += 1
        if counted:
            self._out[mark] = at - mark - 1
        self._at = at
        return 0

    @cython.cfunc
    def _seconds(self, limit: cython.longlong, what: str) -> cython.longlong:
        """The current token as a time: a number, or numbers with units as in 1w2d3h4m5s."""
        total: cython.longlong = 0
        part: cython.longlong = 0
        digits: cython.int = 0
        units: cython.int = 0
        c: cython.uchar
        p: cython.Py_ssize_t
        for p in range(self._start, self._end):
            c = self._text[p]
            if 48 <= c <= 57:
                part = part * 10 + (c - 48)
                digits += 1
                if digits > 12:
                    break
                continue
            c = c | 32
            if digits == 0:
                units = -1
                break
            if c == 115:  # s
                total += part
            elif c == 109:  # m
                total += part * 60
            elif c == 104:  # h
                total += part * 3600
            elif c == 100:  # d
                total += part * 86400
            elif c == 119:  # w
                total += part * 604800
            else:
                units = -1
                break
            if total > limit:
                break
            units += 1
            part = 0
            digits = 0
        if units < 0 or self._quoted or (digits > 0 and units > 0) or self._start == self._end:
            raise self._wrong(
                f"{self._shown()} is not {what}; it is a number of seconds, or has units, as in 1h30m"
            )
        total += part
        if total > limit or digits > 12:
            raise self._wrong(f"{self._shown()} is too large for {what}; the largest is {limit}")
        return total

    @cython.cfunc
    def _number(self, limit: cython.longlong, what: str) -> cython.longlong:
        """The next token as a number from 0 to `limit`."""
        self._plain(what)
        return self._number_here(self._start, self._end, limit, what)

    @cython.cfunc
    def _number_here(
        self, p: cython.Py_ssize_t, end: cython.Py_ssize_t, limit: cython.longlong, what: str
    ) -> cython.longlong:
        value: cython.longlong = 0
        c: cython.uchar
        good: cython.bint = 0 < end - p <= 18
        while good and p < end:
            c = self._text[p]
            p += 1
            value = value * 10 + (c - 48)
            good = 48 <= c <= 57
        if not good or value > limit:
            raise self._wrong(f"{self._shown()} is not {what}; it is a number from 0 to {limit}")
        return value

    @cython.cfunc
    def _type_word(self) -> cython.int:
        """The current token as the record's type, into `_type`; 0 if it is the class instead."""
        start: cython.Py_ssize_t = self._start
        number: cython.int
        if (
            self._end - start == 2 and self._text[start] | 32 == 105 and self._text[start + 1] | 32 == 110
        ):  # IN
            return 0
        number = self._known_type()
        if number < 0 or number == 41 or 128 <= number <= 255:
            word = generate.shown(self._source[start : self._end])
            try:
                if words.check_class(word):
                    return 0
                number = words.type_number(word, self._types, self._unreported == 0)
                words.check_data_type(number, word)
            except ValueError as error:
                raise self._wrong(str(error)) from None
        self._type = number
        return 1

    @cython.cfunc
    def _known_type(self) -> cython.int:
        """The number of the type whose short mnemonic is the current token, -1 if there is none."""
        key: cython.ulonglong = 0
        slot: cython.Py_ssize_t
        c: cython.uchar
        p: cython.Py_ssize_t
        if self._end - self._start > 8:
            return -1
        for p in range(self._start, self._end):
            c = self._text[p]
            if 97 <= c <= 122:
                c -= 32
            key = (key << 8) | c
        slot = (key ^ (key >> 11) ^ (key >> 23)) & 1023  # words.slot_of
        while self._keys[slot] != 0:
            if self._keys[slot] == key:
                return self._numbers[slot]
            slot = (slot + 1) & 1023
        return -1

    # ---- rdata

    @cython.cfunc
    def _rdata(self) -> cython.int:
        """Write the record data: fields in the order of the RFC that defines the type."""
        if self._more():
            self._pending = True
            self._data = self._start
            self._data_line = self._line
            self._data_line_start = self._line_start
            if (
                self._end - self._start == 2
                and self._text[self._start] == 92
                and self._text[self._start + 1] == 35
                and not self._quoted
            ):  # \#
                return self._generic()
        if self._type == 1:  # A
            self._plain("an IPv4 address")
            self._address4()
        elif self._type == 28:  # AAAA, RFC 3596
            self._plain("an IPv6 address")
            self._address6()
        elif self._type == 2:  # NS
            self._target("the name of a name server")
        elif self._type == 5 or self._type == 12 or self._type == 39:  # CNAME, PTR, DNAME (RFC 6672)
            self._target("a target name")
        elif self._type == 15:  # MX
            self._number16("a preference")
            self._target("the name of a mail server")
        elif self._type == 16 or self._type == 99:  # TXT, SPF
            self._character_string("a text", True)
            while self._more():
                self._pending = True
                self._character_string("a text", True)
            return 0
        elif self._type == 6:  # SOA
            self._soa()
        elif self._type == 33:  # SRV, RFC 2782
            self._number16("a priority")
            self._number16("a weight")
            self._number16("a port")
            self._target("a target name")
        elif self._type == 257:  # CAA, RFC 8659
            self._caa()
        elif self._type == 46:  # RRSIG, RFC 4034 section 3.2
            return self._rrsig()
        elif self._type == 47:  # NSEC, RFC 4034 section 4.2
            self._target("the next name")
            return self._bitmap()
        elif self._type == 50:  # NSEC3, RFC 5155 section 3.3
            self._nsec3_parameters()
            self._next_hash()
            return self._bitmap()
        elif self._type == 51:  # NSEC3PARAM, RFC 5155 section 4.3
            self._nsec3_parameters()
        elif self._type == 43:  # DS, RFC 4034 section 5.3
            return self._ds()
        elif self._type == 48:  # DNSKEY, RFC 4034 section 2.2
            self._number16("the flags")
            self._number8("the protocol")
            self._algorithm()
            return self._base64_data("a public key in base64")
        elif self._type == 52:  # TLSA, RFC 6698
            self._number8("the certificate usage")
            self._number8("the selector")
            self._number8("the matching type")
            return self._digest("certificate data in hex", 32, 64, 0, 0)
        elif self._type == 44:  # SSHFP, RFC 4255
            self._number8("the key algorithm")
            self._number8("the fingerprint type")
            return self._digest("a fingerprint in hex", 20, 32, 0, 0)
        else:
            return self._rare()
        return self._ends()

    @cython.cfunc
    def _target(self, what: str) -> cython.int:
        self._want(what)
        return self._name(what)

    @cython.cfunc
    def _number8(self, what: str) -> cython.int:
        self._out[self._at] = self._number(255, what)
        self._at += 1
        return 0

    @cython.cfunc
    def _number16(self, what: str) -> cython.int:
        return self._network16(self._number(65535, what))

    @cython.cfunc
    def _network16(self, value: cython.longlong) -> cython.int:
        self._out[self._at] = (value >> 8) & 255
        self._out[self._at + 1] = value & 255
        self._at += 2
        return 0

    @cython.cfunc
    def _network32(self, value: cython.longlong) -> cython.int:
        self._network16((value >> 16) & 65535)
        return self._network16(value & 65535)

    @cython.cfunc
    def _soa(self) -> cython.int:
        self._target("the name of the primary server")
        self._target("the mailbox of the administrator")
        self._network32(self._number(4294967295, "a serial"))
        self._plain("the refresh time")
        self._network32(self._seconds(4294967295, "a refresh time"))
        self._plain("the retry time")
        self._network32(self._seconds(4294967295, "a retry time"))
        self._plain("the expire time")
        self._network32(self._seconds(4294967295, "an expire time"))
        self._plain("the minimum TTL")
        self._network32(self._seconds(4294967295, "a minimum TTL"))
        return 0

    @cython.cfunc
    def _address4(self) -> cython.int:
        if not self._dotted_quad(self._start, self._end, self._at):
            raise self._wrong(
                f"{self._shown()} is not an IPv4 address; four numbers from 0 to 255 joined by dots, as in 192.0.2.1"
            )
        self._at += 4
        return 0

    @cython.cfunc
    def _dotted_quad(
        self, p: cython.Py_ssize_t, end: cython.Py_ssize_t, at: cython.Py_ssize_t
    ) -> cython.bint:
        """Write the four bytes; False if the text is no address. No leading zeros: some read them as octal."""
        part: cython.int = 0
        value: cython.int
        digits: cython.int
        c: cython.uchar
        while True:
            value = 0
            digits = 0
            while p < end and digits < 4:
                c = self._text[p]
                if not 48 <= c <= 57:
                    break
                if digits > 0 and value == 0:
                    return False
                value = value * 10 + (c - 48)
                digits += 1
                p += 1
            if digits == 0 or value > 255:
                return False
            self._out[at + part] = value
            part += 1
            if part == 4:
                return p == end
            if p >= end or self._text[p] != 46:
                return False
            p += 1

    @cython.cfunc
    def _address6(self) -> cython.int:
        if not self._groups():
            raise self._wrong(
                f"{self._shown()} is not an IPv6 address; eight hex groups joined by colons, as in 2001:db8::1"
            )
        self._at += 16
        return 0

    @cython.cfunc
    def _groups(self) -> cython.bint:
        """Write the sixteen bytes (RFC 4291 section 2.2); False if the text is no address."""
        p: cython.Py_ssize_t = self._start
        end: cython.Py_ssize_t = self._end
        at: cython.Py_ssize_t = self._at
        group: cython.Py_ssize_t
        size: cython.Py_ssize_t = 0
        gap: cython.Py_ssize_t = -1
        i: cython.Py_ssize_t
        value: cython.int
        digit: cython.uchar
        if end - p >= 2 and self._text[p] == 58 and self._text[p + 1] == 58:
            gap = 0
            p += 2
        while p < end:
            if size == 16:
                return False
            group = p
            value = 0
            while p < end and p - group < 5:
                digit = self._hex[self._text[p]]
                if digit == NOT_A_DIGIT:
                    break
                value = value * 16 + digit
                p += 1
            if p < end and self._text[p] == 46:
                if size > 12 or not self._dotted_quad(group, end, at + size):
                    return False
                size += 4
                break
            if p == group or p - group > 4:
                return False
            self._out[at + size] = value >> 8
            self._out[at + size + 1] = value & 255
            size += 2
            if p == end:
                break
            if self._text[p] != 58:
                return False
            p += 1
            if p == end:
                return False
            if self._text[p] == 58:
                if gap >= 0:
                    return False
                gap = size
                p += 1
        if gap < 0:
            return size == 16
        if size > 14:
            return False
        for i in range(size - gap):  # what follows the :: goes to the end, last byte first
            self._out[at + 15 - i] = self._out[at + size - 1 - i]
        for i in range(gap, gap + 16 - size):
            self._out[at + i] = 0
        return True

    @cython.cfunc
    def _caa(self) -> cython.int:
        c: cython.uchar
        p: cython.Py_ssize_t
        self._number8("the flags")
        self._plain("a tag such as issue")
        if self._end - self._start > 255:
            raise self._wrong("this tag is too long; at most 255 letters and digits are allowed")
        for p in range(self._start, self._end):
            c = self._text[p]
            if not (48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122):
                raise self._wrong(
                    f"{self._shown()} is not a tag; a tag has letters and digits only, as in issue"
                )
            self._out[self._at + 1 + p - self._start] = c
        self._out[self._at] = self._end - self._start
        self._at += 1 + self._end - self._start
        return self._character_string("the value, in quotes", False)

    @cython.cfunc
    def _algorithm(self) -> cython.int:
        value: cython.longlong
        self._plain("the algorithm")
        if 48 <= self._text[self._start] <= 57:
            value = self._number_here(self._start, self._end, 255, "an algorithm")
        else:
            try:
                value = words.algorithm(generate.shown(self._source[self._start : self._end]))
            except ValueError as error:
                raise self._wrong(str(error)) from None
        self._out[self._at] = value
        self._at += 1
        return 0

    @cython.cfunc
    def _ds(self) -> cython.int:
        self._number16("the key tag")
        self._algorithm()
        self._number8("the digest type")
        if self._out[self._at - 1] == 0:
            raise self._wrong("digest type 0 is reserved (RFC 3658 section 2.4); 2 is SHA-256")
        return self._digest("a digest in hex", 20, 32, 32, 48)

    @cython.cfunc
    def _digest(
        self, what: str, size1: cython.int, size2: cython.int, size3: cython.int, size4: cython.int
    ) -> cython.int:
        """Hex data whose size the type field before it tells: one size for each of the types 1 to 4, 0 for any."""
        kind: cython.int = self._out[self._at - 1]
        begin: cython.Py_ssize_t = self._at
        wanted: cython.int = 0
        self._hex_data(what)
        if kind == 1:
            wanted = size1
        elif kind == 2:
            wanted = size2
        elif kind == 3:
            wanted = size3
        elif kind == 4:
            wanted = size4
        if wanted and self._at - begin != wanted:
            raise self._wrong(f"{what} has {self._at - begin} bytes here; of type {kind} it has {wanted}")
        return 0

    @cython.cfunc
    def _rrsig(self) -> cython.int:
        """Type covered, algorithm, labels, original TTL, expiration, inception, key tag, signer, signature."""
        self._plain("the type covered")
        self._network16(self._type_named())
        self._algorithm()
        self._number8("the number of labels")
        self._plain("the original TTL")
        self._network32(self._seconds(4294967295, "a TTL"))
        self._time("the expiration time")
        self._time("the inception time")
        self._number16("the key tag")
        self._target("the name of the signer")
        return self._base64_data("a signature in base64")

    @cython.cfunc
    def _time(self, what: str) -> cython.int:
        """YYYYMMDDHHmmSS or seconds since 1970 (RFC 4034 section 3.2), modulo 2**32."""
        year: cython.longlong
        month: cython.longlong
        day: cython.longlong
        hour: cython.longlong
        minute: cython.longlong
        second: cython.longlong
        p: cython.Py_ssize_t
        self._plain(what)
        p = self._start
        if self._end - p != 14:
            return self._network32(
                self._number_here(p, self._end, 4294967295, f"{what} (YYYYMMDDHHmmSS or seconds)")
            )
        year = self._number_here(p, p + 4, 9999, "a time")
        month = self._number_here(p + 4, p + 6, 99, "a time")
        day = self._number_here(p + 6, p + 8, 99, "a time")
        hour = self._number_here(p + 8, p + 10, 99, "a time")
        minute = self._number_here(p + 10, p + 12, 99, "a time")
        second = self._number_here(p + 12, p + 14, 99, "a time")
        if year < 1970 or not (
            1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61
        ):
            raise self._wrong(f"{self._shown()} is not a time; a time is written YYYYMMDDHHmmSS, in UTC")
        # Days since 1970: years counted from March, so that the leap day is the last.
        if month < 3:
            month += 12
            year -= 1
        day += (153 * (month - 3) + 2) // 5 + 365 * year + year // 4 - year // 100 + year // 400 - 719469
        return self._network32((day * 86400 + hour * 3600 + minute * 60 + second) & 4294967295)

    @cython.cfunc
    def _nsec3_parameters(self) -> cython.int:
        mark: cython.Py_ssize_t
        self._number8("the hash algorithm")
        self._number8("the flags")
        self._number16("the number of iterations")
        self._plain("a salt in hex, or -")
        mark = self._at
        self._at += 1
        if not (self._end - self._start == 1 and self._text[self._start] == 45):
            self._hex_here(mark + 256)
        self._out[mark] = self._at - mark - 1
        return 0

    @cython.cfunc
    def _next_hash(self) -> cython.int:
        """The next hashed owner: base32hex without padding (RFC 4648 section 7), behind a length byte."""
        mark: cython.Py_ssize_t = self._at
        at: cython.Py_ssize_t = mark + 1
        bits: cython.uint = 0
        held: cython.int = 0
        digit: cython.uchar
        p: cython.Py_ssize_t
        self._plain("the next hashed name")
        for p in range(self._start, self._end):
            digit = self._base32[self._text[p]]
            if digit == NOT_A_DIGIT or at - mark > 255:
                raise self._wrong(
                    f"{self._shown()} is not a hashed name; it is written in base32hex (0-9, A-V)"
                )
            bits = ((bits << 5) | digit) & 4095
            held += 5
            if held >= 8:
                held -= 8
                self._out[at] = (bits >> held) & 255
                at += 1
        if held >= 5 or bits & ((1 << held) - 1):
            raise self._wrong(f"{self._shown()} is not a hashed name; it has a digit too many or too few")
        self._out[mark] = at - mark - 1
        self._at = at
        return 0

    @cython.cfunc
    def _type_named(self) -> cython.int:
        """The number of the type that the current token names, any type."""
        number: cython.int = self._known_type()
        if number < 0:
            word = generate.shown(self._source[self._start : self._end])
            try:
                number = words.type_number(word, self._types, self._unreported == 0)
            except ValueError as error:
                raise self._wrong(str(error)) from None
        return number

    @cython.cfunc
    def _bitmap(self) -> cython.int:
        """The types left on the record, as windows of bits (RFC 4034 section 4.1.2)."""
        number: cython.int
        low: cython.int = 256
        high: cython.int = -1
        window: cython.int
        last: cython.int
        i: cython.int
        try:
            while self._more():
                number = self._type_named()
                if number == 0:
                    raise self._wrong("TYPE0 is not in any bitmap (RFC 4034 section 4.1.2)")
                window = number >> 8
                low = min(low, window)
                high = max(high, window)
                self._bits[number >> 3] |= 128 >> (number & 7)
            for window in range(low, high + 1):
                last = 31
                while last >= 0 and self._bits[window * 32 + last] == 0:
                    last -= 1
                if last >= 0:
                    self._out[self._at] = window
                    self._out[self._at + 1] = last + 1
                    for i in range(last + 1):
                        self._out[self._at + 2 + i] = self._bits[window * 32 + i]
                    self._at += 3 + last
        finally:
            for i in range(low * 32, (high + 1) * 32):
                self._bits[i] = 0
        return 0

    @cython.cfunc
    def _hex_here(self, limit: cython.Py_ssize_t) -> cython.int:
        """Write the current token, an even number of hex digits, up to offset `limit`."""
        p: cython.Py_ssize_t
        high: cython.uchar
        low: cython.uchar
        if self._quoted or (self._end - self._start) % 2:
            raise self._wrong(f"{self._shown()} is not hex data; hex digits come in pairs, without quotes")
        for p in range(self._start, self._end, 2):
            high = self._hex[self._text[p]]
            low = self._hex[self._text[p + 1]]
            if high == NOT_A_DIGIT or low == NOT_A_DIGIT:
                raise self._wrong(f"{self._shown()} is not hex data; the digits are 0-9 and a-f")
            if self._at >= limit:
                raise self._wrong(f"this hex data is too long; at most {limit - self._rdata_at} bytes fit")
            self._out[self._at] = high * 16 + low
            self._at += 1
        return 0

    @cython.cfunc
    def _hex_data(self, what: str) -> cython.int:
        """All tokens left, hex data that may be split at any digit."""
        half: cython.int = -1
        digit: cython.uchar
        p: cython.Py_ssize_t
        self._want(what)
        self._pending = True
        while self._more():
            for p in range(self._start, self._end):
                digit = self._hex[self._text[p]]
                if digit == NOT_A_DIGIT or self._quoted:
                    raise self._wrong(
                        f"{self._shown()} is not hex data; the digits are 0-9 and a-f, without quotes"
                    )
                if half < 0:
                    half = digit
                    continue
                if self._at - self._rdata_at >= MAX_RDATA:
                    raise self._wrong(f"the data of this record is longer than {MAX_RDATA} bytes")
                self._out[self._at] = half * 16 + digit
                self._at += 1
                half = -1
        if half >= 0:
            raise self._wrong(f"{what} has an odd number of digits; two make a byte")
        return 0

    @cython.cfunc
    def _base64_data(self, what: str) -> cython.int:
        """All tokens left, base64 (RFC 4648 section 4) that may be split at any character."""
        bits: cython.uint = 0
        held: cython.int = 0
        count: cython.Py_ssize_t = 0
        padding: cython.int = 0
        digit: cython.uchar
        p: cython.Py_ssize_t
        self._want(what)
        self._pending = True
        while self._more():
            for p in range(self._start, self._end):
                if self._text[p] == 61 and not self._quoted:  # =
                    padding += 1
                    count += 1
                    continue
                digit = self._base64[self._text[p]]
                if digit == NOT_A_DIGIT or padding > 0 or self._quoted:
                    raise self._wrong(
                        f"{self._shown()} is not base64 data; its characters are A-Z a-z 0-9 + / and = last"
                    )
                if self._at - self._rdata_at >= MAX_RDATA:
                    raise self._wrong(f"the data of this record is longer than {MAX_RDATA} bytes")
                bits = ((bits << 6) | digit) & 16383
                count += 1
                held += 6
                if held >= 8:
                    held -= 8
                    self._out[self._at] = (bits >> held) & 255
                    self._at += 1
        if count % 4 or padding > 2:
            raise self._wrong(
                f"{what} is cut short; base64 has a multiple of four characters, filled up with ="
            )
        return 0

    @cython.cfunc
    def _generic(self) -> cython.int:
        r"""`\# length hex` (RFC 3597 section 5)."""
        length: cython.longlong
        begin: cython.Py_ssize_t = self._at
        self._pending = False
        length = self._number(65535, "the length of the data")
        if length > 0:
            self._hex_data("data in hex")
        else:
            self._ends()
        if self._at - begin != length:
            raise self._wrong_data(
                f"the data has {self._at - begin} bytes, but its length is given as {length}"
            )
        try:
            wire = self._host.generic(int(self._type), bytes(self._out[begin : self._at]))
        except ValueError as error:
            raise self._wrong_data(
                f"this is not the data of a {self._type_shown()} record: {error}"
            ) from None
        return self._put_bytes(begin, wire)

    @cython.cfunc
    def _rare(self) -> cython.int:
        """A type that is not read here: the host turns its text into wire form."""
        begin: cython.Py_ssize_t = self._at
        origin = self._origin_bytes or self._fallback
        text = self._remainder()
        # As escapes, bytes over 127 come through as they are, whatever the host makes of characters.
        readable = "".join(chr(c) if c < 128 else f"\\{c:03d}" for c in text)
        try:
            wire = self._host.rare(int(self._type), readable, origin)
        except ValueError as error:
            raise self._wrong_data(
                f"this is not the data of a {self._type_shown()} record: {error}"
            ) from None
        return self._put_bytes(begin, wire)

    @cython.cfunc
    def _put_bytes(self, at: cython.Py_ssize_t, data: bytes) -> cython.int:
        if len(data) > MAX_RDATA:
            raise self._wrong_data(f"the data of this record is longer than {MAX_RDATA} bytes")
        end: cython.Py_ssize_t = at + len(data)
        self._stream[at:end] = data
        self._at = end
        return 0


def is_compiled() -> bool:
    """Whether this module runs as compiled code."""
    return bool(cython.compiled)
