#include "data/grey_image.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "data/bytes.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

constexpr std::uint64_t most_pixels = 1u << 28;

class Bytes {
 public:
  explicit Bytes(const std::filesystem::path& file)
      : file_(file.string()), data_(read_file(file)) {}

  [[noreturn]] void fail(const std::string& problem) const {
    throw DataError(
        fmt::format("{}: {}; save it as uncompressed grey TIFF, or grey PNG or PGM, with "
                    "8 or 16 bit",
                    file_, problem));
  }
  std::uint64_t size() const { return data_.size(); }
  std::uint8_t at(std::uint64_t i) const {
    if (i >= data_.size()) fail("the image file is cut off");
    return std::to_integer<std::uint8_t>(data_[i]);
  }
  std::uint32_t number(std::uint64_t i, int count, bool big) const {
    std::uint32_t value = 0;
    for (int k = 0; k < count; ++k) {
      const int shift = 8 * (big ? count - 1 - k : k);
      value |= static_cast<std::uint32_t>(at(i + static_cast<std::uint64_t>(k))) << shift;
    }
    return value;
  }
  bool starts_with(std::string_view text) const {
    if (data_.size() < text.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (at(i) != static_cast<std::uint8_t>(text[i])) return false;
    }
    return true;
  }
  const std::byte* data() const { return data_.data(); }
  void check_size(std::uint64_t width, std::uint64_t height) const {
    if (width == 0 || height == 0 || width > most_pixels || height > most_pixels ||
        width * height > most_pixels) {
      fail(fmt::format("an image of {} x {} pixels", width, height));
    }
  }

 private:
  std::string file_;
  std::vector<std::byte> data_;
};

// TIFF 6.0, baseline.
GreyImage read_tiff(const Bytes& bytes) {
  const bool big = bytes.at(0) == 'M';
  GreyImage image;
  std::uint64_t directory = bytes.number(4, 4, big);
  const std::uint32_t entries = bytes.number(directory, 2, big);
  std::uint64_t width = 0, height = 0, compression = 1, samples = 1, bits = 1, photometric = 1;
  std::vector<std::uint32_t> offsets, counts;
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + 12 * static_cast<std::uint64_t>(i);
    const std::uint32_t tag = bytes.number(entry, 2, big);
    const std::uint32_t type = bytes.number(entry + 2, 2, big);
    const std::uint32_t count = bytes.number(entry + 4, 4, big);
    const int size = type == 3 ? 2 : type == 4 ? 4 : type == 1 ? 1 : 0;
    if (size == 0) continue;
    if (count > bytes.size()) bytes.fail("a broken TIFF directory");
    const std::uint64_t total = static_cast<std::uint64_t>(size) * count;
    const std::uint64_t where = total <= 4 ? entry + 8 : bytes.number(entry + 8, 4, big);
    const auto value = [&](std::uint64_t k) {
      return bytes.number(where + k * static_cast<std::uint64_t>(size), size, big);
    };
    switch (tag) {
      case 256:
        width = value(0);
        break;
      case 257:
        height = value(0);
        break;
      case 258:
        bits = value(0);
        break;
      case 259:
        compression = value(0);
        break;
      case 262:
        photometric = value(0);
        break;
      case 273:
        for (std::uint32_t k = 0; k < count; ++k) offsets.push_back(value(k));
        break;
      case 277:
        samples = value(0);
        break;
      case 279:
        for (std::uint32_t k = 0; k < count; ++k) counts.push_back(value(k));
        break;
      default:
        break;
    }
  }
  bytes.check_size(width, height);
  if (compression != 1) bytes.fail(fmt::format("TIFF compression {}", compression));
  if (samples != 1) bytes.fail(fmt::format("a TIFF with {} samples per pixel", samples));
  if (bits != 8 && bits != 16) bytes.fail(fmt::format("a TIFF with {} bit per pixel", bits));
  if (photometric != 1) bytes.fail("a TIFF whose values are not brightnesses");
  if (offsets.empty() || offsets.size() != counts.size()) bytes.fail("a TIFF without strips");
  image.width = static_cast<std::uint32_t>(width);
  image.height = static_cast<std::uint32_t>(height);
  image.bits = static_cast<int>(bits);
  const std::uint64_t pixel_bytes = bits / 8;
  const std::uint64_t pixels = width * height;
  image.pixels.reserve(pixels);
  for (std::size_t strip = 0; strip < offsets.size(); ++strip) {
    for (std::uint64_t k = 0; k + pixel_bytes <= counts[strip] && image.pixels.size() < pixels;
         k += pixel_bytes) {
      image.pixels.push_back(static_cast<std::uint16_t>(
          bytes.number(offsets[strip] + k, static_cast<int>(pixel_bytes), big)));
    }
  }
  if (image.pixels.size() != pixels) bytes.fail("a TIFF with too few pixels");
  return image;
}

// PNG (ISO/IEC 15948), grey without interlacing.
GreyImage read_png(const Bytes& bytes) {
  GreyImage image;
  image.width = bytes.number(16, 4, true);
  image.height = bytes.number(20, 4, true);
  image.bits = bytes.at(24);
  bytes.check_size(image.width, image.height);
  if (bytes.at(25) != 0) bytes.fail(fmt::format("a PNG of colour type {}", bytes.at(25)));
  if (image.bits != 8 && image.bits != 16) {
    bytes.fail(fmt::format("a PNG with {} bit per pixel", image.bits));
  }
  if (bytes.at(28) != 0) bytes.fail("an interlaced PNG");
  std::vector<unsigned char> packed;
  for (std::uint64_t at = 8; at + 12 <= bytes.size();) {
    const std::uint64_t length = bytes.number(at, 4, true);
    const std::uint32_t kind = bytes.number(at + 4, 4, true);
    if (kind == 0x49454E44) break;  // IEND
    if (length > bytes.size() || at + 12 + length > bytes.size())
      bytes.fail("a PNG that is cut off");
    if (kind == 0x49444154) {  // IDAT
      const auto* start = reinterpret_cast<const unsigned char*>(bytes.data() + at + 8);
      packed.insert(packed.end(), start, start + length);
    }
    at += 12 + length;
  }
  const std::uint64_t pixel_bytes = static_cast<std::uint64_t>(image.bits) / 8;
  const std::uint64_t stride = image.width * pixel_bytes;
  std::vector<unsigned char> raw((stride + 1) * image.height);
  uLongf size = raw.size();
  if (uncompress(raw.data(), &size, packed.data(), packed.size()) != Z_OK || size != raw.size()) {
    bytes.fail("a PNG whose data cannot be unpacked");
  }
  std::vector<unsigned char> above(stride, 0);
  image.pixels.reserve(static_cast<std::size_t>(image.width) * image.height);
  for (std::uint64_t row = 0; row < image.height; ++row) {
    const unsigned char filter = raw[row * (stride + 1)];
    unsigned char* line = raw.data() + row * (stride + 1) + 1;
    for (std::uint64_t i = 0; i < stride; ++i) {
      const int left = i >= pixel_bytes ? line[i - pixel_bytes] : 0;
      const int up = above[i];
      const int corner = i >= pixel_bytes ? above[i - pixel_bytes] : 0;
      int predicted = 0;
      switch (filter) {
        case 0:
          break;
        case 1:
          predicted = left;
          break;
        case 2:
          predicted = up;
          break;
        case 3:
          predicted = (left + up) / 2;
          break;
        case 4: {
          const int p = left + up - corner;
          const int a = std::abs(p - left), b = std::abs(p - up), c = std::abs(p - corner);
          predicted = a <= b && a <= c ? left : b <= c ? up : corner;
          break;
        }
        default:
          bytes.fail("a PNG with an unknown filter");
      }
      line[i] = static_cast<unsigned char>((line[i] + predicted) & 0xFF);
    }
    above.assign(line, line + stride);
    for (std::uint64_t i = 0; i < stride; i += pixel_bytes) {
      image.pixels.push_back(
          static_cast<std::uint16_t>(pixel_bytes == 1 ? line[i] : line[i] << 8 | line[i + 1]));
    }
  }
  return image;
}

GreyImage read_pgm(const Bytes& bytes) {
  std::uint64_t at = 2;
  const auto number = [&]() {
    std::uint64_t value = 0;
    bool any = false;
    while (true) {
      const char c = static_cast<char>(bytes.at(at));
      if (c == '#' && !any) {
        while (bytes.at(at) != '\n') ++at;
      } else if (c >= '0' && c <= '9') {
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
        any = true;
        if (value > most_pixels) bytes.fail("a PGM header out of range");
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        if (any) {
          ++at;
          return value;
        }
      } else {
        bytes.fail("a broken PGM header");
      }
      ++at;
    }
  };
  GreyImage image;
  const std::uint64_t width = number(), height = number(), greatest = number();
  bytes.check_size(width, height);
  if (greatest == 0 || greatest > 65535) bytes.fail(fmt::format("a PGM up to {}", greatest));
  image.width = static_cast<std::uint32_t>(width);
  image.height = static_cast<std::uint32_t>(height);
  const std::uint64_t pixel_bytes = greatest > 255 ? 2 : 1;
  image.bits = static_cast<int>(8 * pixel_bytes);
  image.pixels.reserve(width * height);
  for (std::uint64_t i = 0; i < width * height; ++i) {
    image.pixels.push_back(static_cast<std::uint16_t>(
        bytes.number(at + i * pixel_bytes, static_cast<int>(pixel_bytes), true)));
  }
  return image;
}

}  // namespace

GreyImage read_grey_image(const std::filesystem::path& file) {
  const Bytes bytes(file);
  if (bytes.starts_with(std::string_view("II*\0", 4)) ||
      bytes.starts_with(std::string_view("MM\0*", 4))) {
    return read_tiff(bytes);
  }
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return read_png(bytes);
  if (bytes.starts_with("P5")) return read_pgm(bytes);
  bytes.fail("no TIFF, PNG or PGM image");
}

}  // namespace attojoule::data
