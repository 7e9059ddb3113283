"""Makes the files of this directory anew: needs Pillow, cjpeg and jpegtran (libjpeg-turbo)."""
import io
import random
import subprocess

from PIL import Image, ImageFilter

random.seed(20261130)
WIDTH, HEIGHT = 93, 61


def picture():
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            image.putpixel((x, y), (2 * x + y, 255 - 3 * y, (x * y) % 256))
    for _ in range(40):
        color = tuple(random.randrange(256) for _ in range(3))
        x, y = random.randrange(WIDTH), random.randrange(HEIGHT)
        image.paste(color, (x, y, x + random.randrange(3, 20), y + random.randrange(3, 12)))
    return image.filter(ImageFilter.GaussianBlur(0.8))


def run(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def scans(name, script, data):
    with open("script.txt", "w") as file:
        file.write(script)
    write(name, run(["jpegtran", "-scans", "script.txt"], data))


pnm = io.BytesIO()
picture().save(pnm, "PPM")
base = run(["cjpeg", "-quality", "85", "-sample", "2x2"], pnm.getvalue())
write("base.jpg", base)
scans("three-scans.jpg", "0; 1; 2;", base)
scans("y-cbcr.jpg", "0; 1 2;", base)
scans("ycb-cr.jpg", "0 1; 2;", base)
scans("crcb-y.jpg", "1 2; 0;", base)
write("progressive.jpg", run(["jpegtran", "-progressive"], base))
write("restarts.jpg", run(["jpegtran", "-restart", "2B"], base))
write("arithmetic.jpg", run(["jpegtran", "-arithmetic"], base))
write("sample-2x1.jpg", run(["cjpeg", "-quality", "85", "-sample", "2x1"], pnm.getvalue()))
write("sample-1x2.jpg", run(["cjpeg", "-quality", "85", "-sample", "1x2"], pnm.getvalue()))
write("sample-1x1.jpg", run(["cjpeg", "-quality", "85", "-sample", "1x1"], pnm.getvalue()))
write("sample-4x1.jpg", run(["cjpeg", "-quality", "85", "-sample", "4x1"], pnm.getvalue()))
write("grey.jpg", run(["cjpeg", "-quality", "85", "-grayscale"], pnm.getvalue()))
write("rgb.jpg", run(["cjpeg", "-quality", "85", "-rgb"], pnm.getvalue()))
cmyk = io.BytesIO()
picture().convert("CMYK").save(cmyk, "JPEG", quality=85)
write("cmyk.jpg", cmyk.getvalue())
