// EMVA 1288 descriptors and the images that they name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "data/grey_image.hpp"
#include "data/lab_file.hpp"
#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path fixtures =
    std::filesystem::path(ATTOJOULE_SOURCE_DIR) / "tests/data/files";

std::uint16_t expected_pixel(unsigned x, unsigned y) {
  return static_cast<std::uint16_t>((x * 7919 + y * 10007 + x * x * y * 13) % 65536);
}

// Written by Pillow, which filters PNG rows in its own way.
TEST(GreyImage, FilesOfAnotherLibrary) {
  for (const char* name : {"grey16.png", "grey16.tif", "grey8.png"}) {
    const GreyImage image = read_grey_image(fixtures / name);
    ASSERT_EQ(image.width, 7u) << name;
    ASSERT_EQ(image.height, 5u) << name;
    const bool eight = name == std::string("grey8.png");
    EXPECT_EQ(image.bits, eight ? 8 : 16);
    for (unsigned y = 0; y < 5; ++y) {
      for (unsigned x = 0; x < 7; ++x) {
        const unsigned pixel = expected_pixel(x, y);
        EXPECT_EQ(image.pixels[y * 7 + x], eight ? pixel % 256 : pixel) << name << x << y;
      }
    }
  }
}

TEST(GreyImage, WhatCannotBeRead) {
  TemporaryFolder folder;
  const auto message = [&](const std::string& bytes) {
    const auto file = folder.write("x", bytes);
    return message_of<DataError>([&] { read_grey_image(file); });
  };
  EXPECT_THAT(message_of<DataError>([&] { read_grey_image(fixtures / "grey16_lzw.tif"); }),
              HasSubstr("TIFF compression 5"));
  EXPECT_THAT(message("hello"), HasSubstr("no TIFF, PNG or PGM"));
  EXPECT_THAT(message("P5 2 2 255\nab"), HasSubstr("cut off"));
  EXPECT_THAT(message("P5 0 2 255\n"), HasSubstr("0 x 2"));
  EXPECT_THAT(message("P5 99999 99999 255\n"), HasSubstr("99999 x 99999"));
  EXPECT_THAT(message(std::string("II*\0\xFF\xFF\xFF\xFF", 8)), HasSubstr("cut off"));
  EXPECT_THAT(message("\x89PNG\r\n\x1a\nshort"), HasSubstr("cut off"));
}

class Descriptor : public testing::Test {
 protected:
  // A pair of 2 x 2 images of these pixels.
  void pair(const std::string& name, const std::string& a, const std::string& b) {
    folder_.write(name + "_a.pgm", "P5 2 2 255\n" + a);
    folder_.write(name + "_b.pgm", "P5 2 2 255\n" + b);
  }
  void SetUp() override {
    pair("light", "\x10\x20\x30\x40", "\x12\x1E\x30\x40");
    pair("dark", "\x01\x02\x03\x04", "\x02\x01\x03\x04");
  }
  static std::string images(const std::string& name) {
    return "i " + name + "_a.pgm\ni " + name + "_b.pgm\n";
  }
  LabTable read(const std::string& text) { return read_lab_file(folder_.write("d.txt", text)); }
  std::string message(const std::string& text) {
    const std::string prefix = folder_.path().string() + "/";
    std::string problem = message_of<Error>([&] { read(text); });
    if (problem.starts_with(prefix)) problem.erase(0, prefix.size());
    return problem;
  }
  TemporaryFolder folder_;
};

TEST_F(Descriptor, MeanAndTemporalVariance) {
  const LabTable table = read("# made for this test\nv 3.0\nn 8 2 2\nb 40000,5 120\n" +
                              images("light") + "d 40000.5\n" + images("dark"));
  EXPECT_EQ(table.format, "emva-descriptor");
  EXPECT_THAT(column_in(table, "texp", "ns"), ElementsAre(40000.5));
  EXPECT_THAT(column_in(table, "u_p", "photon"), ElementsAre(120));
  EXPECT_THAT(column_in(table, "u_y", "DN"), ElementsAre(40));
  // Differences -2, 2, 0, 0: <d^2> / 2 = 1.
  EXPECT_THAT(column_in(table, "s2_y", "DN^2"), ElementsAre(1));
  EXPECT_THAT(column_in(table, "u_ydark", "DN"), ElementsAre(2.5));
  EXPECT_THAT(column_in(table, "s2_ydark", "DN^2"), ElementsAre(0.25));
}

TEST_F(Descriptor, BrokenFiles) {
  const std::string head = "v 3.0\nn 8 2 2\n";
  const std::string light = "b 1 120\n" + images("light"), dark = "d 1\n" + images("dark");
  EXPECT_THAT(message(head + light), HasSubstr("no dark series"));
  EXPECT_THAT(message(head + dark), HasSubstr("no bright series"));
  EXPECT_THAT(message(head + light + "d 2\n" + images("dark")),
              HasSubstr("d.txt:3: no dark series of exposure 1 ns"));
  EXPECT_THAT(message(head + "i x.pgm\n"), HasSubstr("d.txt:3: an image before"));
  EXPECT_THAT(message(head + "b 1\n"), HasSubstr("d.txt:3: \"b 1\""));
  EXPECT_THAT(message(head + "b 1 x\n"), HasSubstr("d.txt:3: \"x\""));
  EXPECT_THAT(message(head + "q 1\n"), HasSubstr("unknown command \"q\""));
  EXPECT_THAT(message(head + "b 1 2\ni light_a.pgm\n" + dark), HasSubstr("d.txt:3: a series of 1"));
  EXPECT_THAT(message(head + light + "d 1\ni none.pgm\ni none.pgm\n"),
              HasSubstr("d.txt:7: image \"none.pgm\""));
  EXPECT_THAT(message("v 3.0\nn 8 3 2\n" + light + dark),
              HasSubstr("2 x 2 pixels, the descriptor"));
  EXPECT_THAT(message("v 3.0\nn 4 2 2\n" + light + dark), HasSubstr("more than 4 bit"));
  EXPECT_THAT(message(head + light + dark + dark), HasSubstr("a second dark series"));
}

}  // namespace
}  // namespace attojoule::data
