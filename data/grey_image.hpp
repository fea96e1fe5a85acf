// Images of a sensor as numbers: grey, 8 or 16 bit, uncompressed TIFF, PNG or binary PGM.
//
// What a sensor test needs and nothing else: no colours, palettes, tiles, interlacing, or
// compression other than PNG's own. Everything else is a DataError that names what it met.
// Tests: tests/data/emva_descriptor_test.cpp (files of another library, and broken ones).
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace attojoule::data {

struct GreyImage {
  std::uint32_t width = 0, height = 0;
  int bits = 0;                       // stored per pixel: 8 or 16
  std::vector<std::uint16_t> pixels;  // row by row
};

GreyImage read_grey_image(const std::filesystem::path& file);

}  // namespace attojoule::data
