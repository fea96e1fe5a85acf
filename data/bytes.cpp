#include "data/bytes.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

class Sha256 {
 public:
  Sha256() : good_(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1) {}

  void add(const char* data, std::size_t size) {
    good_ = good_ && EVP_DigestUpdate(context_.get(), data, size) == 1;
  }
  std::string hexadecimal(const std::string& place) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    good_ = good_ && EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1;
    if (!good_) throw RunError(fmt::format("{}: SHA-256 failed.", place));
    std::string text;
    for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free};
  bool good_;
};

}  // namespace

std::ifstream open_for_reading(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status)) {
    throw DataError(fmt::format("{}: no such file. Check the path.", file.string()));
  }
  if (std::filesystem::is_directory(status)) {
    throw DataError(
        fmt::format("{}: a directory where a file is needed. Name the file in it.", file.string()));
  }
  // A pipe has no size, and a device no end.
  if (!std::filesystem::is_regular_file(status)) {
    throw DataError(
        fmt::format("{}: not a regular file (it has to be read more than once). Save it to "
                    "a file first.",
                    file.string()));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    throw DataError(fmt::format("{}: cannot be read. Check its permissions.", file.string()));
  }
  return stream;
}

std::vector<std::byte> read_file(const std::filesystem::path& file) {
  std::ifstream stream = open_for_reading(file);
  stream.seekg(0, std::ios::end);
  const auto size = static_cast<std::int64_t>(stream.tellg());
  constexpr std::int64_t largest = std::int64_t{1} << 31;
  if (size < 0 || size > largest) {
    throw DataError(fmt::format("{}: {} bytes (up to 2 GiB can be read). Split or shrink the file.",
                                file.string(), size));
  }
  stream.seekg(0);
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  stream.read(reinterpret_cast<char*>(bytes.data()), size);
  if (!stream) {
    throw DataError(fmt::format("{}: cannot be read to its end. Check the disk.", file.string()));
  }
  return bytes;
}

std::string sha256_of_file(const std::filesystem::path& file) {
  std::ifstream stream = open_for_reading(file);
  Sha256 sum;
  std::vector<char> piece(std::size_t{1} << 20);
  while (stream) {
    stream.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    sum.add(piece.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.bad()) {
    throw DataError(fmt::format("{}: cannot be read to its end. Check the disk.", file.string()));
  }
  return sum.hexadecimal(file.string());
}

std::string sha256_of_text(const std::string& text) {
  Sha256 sum;
  sum.add(text.data(), text.size());
  return sum.hexadecimal("text");
}

void require_readable(const std::filesystem::path& file) {
  open_for_reading(file);
}

}  // namespace attojoule::data
