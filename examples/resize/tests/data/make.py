#!/usr/bin/env python3
"""Makes the JPEG XL files of this directory, with cjxl, cjpeg and ImageMagick."""
import pathlib
import struct
import subprocess
import tempfile

WIDTH, HEIGHT = 40, 24
HERE = pathlib.Path(__file__).resolve().parent
RED, BLUE = (220, 20, 20), (20, 20, 220)


def run(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def pnm(path, left, right, kind, most=255):
    """Writes a picture of two halves; each pixel is a tuple."""
    size = ">H" if most > 255 else "B"
    row = b"".join(struct.pack(size, s) for half in (left, right) for _ in range(WIDTH // 2) for s in half)
    path.write_bytes(f"{kind}\n{WIDTH} {HEIGHT}\n{most}\n".encode() + row * HEIGHT)


def segment(number, contents):
    return bytes([0xFF, number]) + struct.pack(">H", len(contents) + 2) + contents


with tempfile.TemporaryDirectory() as directory:
    at = pathlib.Path(directory)
    pnm(at / "rgb.ppm", RED, BLUE, "P6")
    pnm(at / "grey.pgm", (80,), (47,), "P5")
    pnm(at / "deep.pgm", (0x8040,), (0x1234,), "P5", 65535)
    pam = b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" % (WIDTH, HEIGHT)
    row = bytes(RED + (255,)) * (WIDTH // 2) + bytes(BLUE + (128,)) * (WIDTH // 2)
    (at / "alpha.pam").write_bytes(pam + row * HEIGHT)
    lossless = ("-d", "0", "-e", "3")
    run("cjxl", at / "rgb.ppm", HERE / "lossless.jxl", *lossless)
    run("cjxl", at / "rgb.ppm", HERE / "lossy.jxl", "-d", "0.5")
    run("cjxl", at / "grey.pgm", HERE / "grey.jxl", *lossless)
    run("cjxl", at / "deep.pgm", HERE / "deep.jxl", *lossless)
    run("cjxl", at / "alpha.pam", HERE / "alpha.jxl", *lossless)
    for name, curve in (("linear", "Lin"), ("pq", "PeQ")):
        space = f"color_space=RGB_D65_SRG_Rel_{curve}"
        run("cjxl", at / "rgb.ppm", HERE / f"{name}.jxl", *lossless, "-x", space)
    # The orientation 6, and an artist.
    entries = b"\x01\x12\0\3\0\0\0\1\0\6\0\0" + b"\x01\x3b\0\2\0\0\0\4Ada\0"
    exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\2" + entries + b"\0\0\0\0"
    run("cjpeg", "-quality", "95", "-sample", "1x1", "-outfile", at / "plain.jpg", at / "rgb.ppm")
    plain = (at / "plain.jpg").read_bytes()
    (at / "turned.jpg").write_bytes(plain[:2] + segment(0xE1, exif) + plain[2:])
    run("cjxl", at / "turned.jpg", HERE / "jpeg.jxl")
    frames = []
    for colour, hundredths in (("#f00", 10), ("#0f0", 20), ("#f00", 30)):
        frames += ["-delay", hundredths, "-size", f"{WIDTH}x{HEIGHT}", f"xc:{colour}"]
    run("convert", *frames, "-loop", "0", at / "anim.gif")
    run("cjxl", at / "anim.gif", HERE / "anim.jxl", *lossless)
