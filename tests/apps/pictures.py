"""Pictures for tests: decodes PNG files, and renders SVG files with librsvg as other programs do."""

import pathlib
import shutil
import struct
import subprocess
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type: grey, RGB, grey and alpha, RGB and alpha


class Picture:
    """Pixels of a PNG file: 8 bits a channel, not interlaced."""

    def __init__(self, data):
        assert data[:8] == SIGNATURE, "not a PNG file"
        at, packed = 8, b""
        while at < len(data):
            (size,), kind = struct.unpack(">I", data[at:at + 4]), data[at + 4:at + 8]
            body, (crc,) = data[at + 8:at + 8 + size], struct.unpack(">I", data[at + 8 + size:at + 12 + size])
            assert crc == zlib.crc32(kind + body), f"damaged chunk {kind}"
            if kind == b"IHDR":
                self.width, self.height, depth, color, *rest = struct.unpack(">IIBBBBB", body)
                assert depth == 8 and rest == [0, 0, 0], "a kind of PNG that this does not read"
                self.channels = CHANNELS[color]
            packed += body if kind == b"IDAT" else b""
            at += 12 + size
        assert kind == b"IEND", "no end"
        self.rows = self.unfilter(zlib.decompress(packed))

    def unfilter(self, data):
        step, stride = self.channels, self.width * self.channels
        assert len(data) == self.height * (stride + 1), "not as many pixels as the header says"
        rows, above = [], bytearray(stride)
        for y in range(self.height):
            begin = y * (stride + 1)
            rule, row = data[begin], bytearray(data[begin + 1:begin + 1 + stride])
            for i in range(stride) if rule else ():
                left = row[i - step] if i >= step else 0
                corner = above[i - step] if i >= step else 0
                guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[rule]
                row[i] = (row[i] + guess) & 255
            rows.append(row)
            above = row
        return rows

    def at(self, x, y):
        """(r, g, b) of a pixel."""
        pixel = tuple(self.rows[y][x * self.channels:(x + 1) * self.channels])
        return pixel[:3] if self.channels >= 3 else pixel[:1] * 3

    def count(self, color):
        """Pixels of exactly this colour, "#2b67e0"."""
        wanted = bytes.fromhex(color[1:])
        return sum(row[i:i + 3] == wanted for row in self.rows for i in range(0, len(row), self.channels))


def paeth(left, above, corner):
    distances = [abs(left + above - corner - value) for value in (left, above, corner)]
    return (left, above, corner)[distances.index(min(distances))]


def read_png(path):
    return Picture(pathlib.Path(path).read_bytes())


def has_renderer():
    return shutil.which("rsvg-convert") is not None


NO_RENDERER = "no rsvg-convert in PATH (Debian package librsvg2-bin)"


def render_svg(path):
    """The picture that librsvg makes of an SVG file, at the file's size."""
    done = subprocess.run(["rsvg-convert", str(path)], stdout=subprocess.PIPE, timeout=60, check=True)
    return Picture(done.stdout)
