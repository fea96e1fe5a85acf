#include "data/bytes.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::HasSubstr;

// FIPS 180-4 examples, and a message longer than the reading piece.
TEST(Bytes, Sha256OfKnownMessages) {
  const TemporaryFolder folder;
  EXPECT_EQ(sha256_of_file(folder.write("empty", "")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of_file(folder.write("abc", "abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of_file(
                folder.write("two", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_of_file(folder.write("million", std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_NE(sha256_of_file(folder.write("long", std::string((1 << 20) + 1, 'a'))),
            sha256_of_file(folder.write("longer", std::string((1 << 20) + 2, 'a'))));
}

TEST(Bytes, ReadFileIsExact) {
  const TemporaryFolder folder;
  const std::string text{"\0\xff\n\r\x1a", 5};
  const auto bytes = read_file(folder.write("bytes", text));
  ASSERT_EQ(bytes.size(), text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_EQ(static_cast<char>(bytes[i]), text[i]) << i;
  }
  EXPECT_TRUE(read_file(folder.write("empty", "")).empty());
}

TEST(Bytes, WhatCannotBeReadIsNamed) {
  const TemporaryFolder folder;
  const auto missing = folder.path() / "missing";
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const auto& [file, problem] :
       {std::pair{missing, "no such file"}, std::pair{folder.path(), "a directory"},
        std::pair{pipe, "not a regular file"}}) {
    for (const std::string& message : {message_of<DataError>([&] { read_file(file); }),
                                       message_of<DataError>([&] { sha256_of_file(file); }),
                                       message_of<DataError>([&] { require_readable(file); })}) {
      EXPECT_THAT(message, HasSubstr(file.string() + ": ")) << message;
      EXPECT_THAT(message, HasSubstr(problem)) << message;
    }
  }
}

// A sparse file costs no disk: 2 GiB and one byte are refused by size, before they are read.
TEST(Bytes, TooLargeIsRefusedBeforeReading) {
  const TemporaryFolder folder;
  const auto file = folder.write("large", "");
  std::filesystem::resize_file(file, (std::uintmax_t{1} << 31) + 1);
  EXPECT_THAT(message_of<DataError>([&] { read_file(file); }), HasSubstr("2147483649 bytes"));
}

}  // namespace
}  // namespace attojoule::data
