// Descriptor files of EMVA 1288 measurements: which images were taken at which exposure and light.
//
//   v VERSION · n BITS WIDTH HEIGHT · b EXPOSURE PHOTONS · d EXPOSURE · i IMAGE
//
// A series of two images is a temporal measurement, reduced to one row: mean of both, and temporal
// variance <(A - B)^2> / 2 over all pixels, which leaves out what is fixed in the pattern (EMVA
// 1288 Release 3, eq. 12 there and the reference implementation). Longer series are spatial
// measurements and are left to a warning. The dark series of the same exposure stands in the same
// row. Columns as in a reduced table: texp [ns], u_p [photon], u_y [DN], s2_y [DN^2], u_ydark,
// s2_ydark.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "data/grey_image.hpp"
#include "data/lab_text.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

struct Series {
  std::size_t line = 0;
  double exposure = 0, photons = 0;
  std::vector<std::pair<std::size_t, std::string>> images;  // line, name
};

struct Reduced {
  double mean = 0, variance = 0;
};

struct Format {
  double bits = 0, width = 0, height = 0;
};

Reduced reduce(const LabText& text, const Series& series, const std::filesystem::path& folder,
               const Format& format, LabTable& table) {
  std::vector<GreyImage> images;
  for (const auto& [line, name] : series.images) {
    try {
      images.push_back(read_grey_image(folder / name));
    } catch (const DataError& error) {
      throw DataError(
          fmt::format("{}: image \"{}\" ({})", text.at(line), shown_text(name), error.what()));
    }
    const GreyImage& image = images.back();
    if (format.width > 0 && (image.width != format.width || image.height != format.height)) {
      throw DataError(fmt::format(
          "{}: \"{}\" has {} x {} pixels, the descriptor says {} x {}; give "
          "the right images",
          text.at(line), shown_text(name), image.width, image.height, format.width, format.height));
    }
    if (image.pixels.size() != images.front().pixels.size()) {
      throw DataError(
          fmt::format("{}: \"{}\" has another size than the image before; give images of "
                      "one size",
                      text.at(line), shown_text(name)));
    }
    const double greatest = *std::max_element(image.pixels.begin(), image.pixels.end());
    if (format.bits > 0 && greatest >= std::exp2(format.bits)) {
      throw DataError(
          fmt::format("{}: \"{}\" has a pixel of {} DN, more than {} bit hold; mend the "
                      "\"n\" line, or shift the images to their low bits",
                      text.at(line), shown_text(name), greatest, format.bits));
    }
  }
  // Sums of integers: exact, whatever the order.
  std::uint64_t sum_a = 0, sum_b = 0, squares = 0;
  const auto& a = images[0].pixels;
  const auto& b = images[1].pixels;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::int64_t difference = std::int64_t{a[i]} - b[i];
    sum_a += a[i];
    sum_b += b[i];
    squares += static_cast<std::uint64_t>(difference * difference);
  }
  const auto n = static_cast<double>(a.size());
  Reduced result;
  result.mean = static_cast<double>(sum_a + sum_b) / (2 * n);
  result.variance = static_cast<double>(squares) / (2 * n);
  const double shift = (static_cast<double>(sum_a) - static_cast<double>(sum_b)) / n;
  if (result.variance > 0 && shift * shift / 2 > 0.01 * result.variance) {
    table.warnings.push_back(
        fmt::format("line {}: the two images differ by {:.3g} DN on average ({:.1f} % of the "
                    "variance): did the "
                    "light change?",
                    series.line, shift, 50 * shift * shift / result.variance));
  }
  return result;
}

}  // namespace

void read_emva_descriptor(const LabText& text, LabTable& table) {
  table.format = "emva-descriptor";
  Format format;
  std::vector<Series> bright, dark;
  Series* current = nullptr;
  const auto number = [&](std::size_t line, std::string_view cell) {
    double value = 0;
    if (!parse_number(cell, ',', value) || value < 0) {
      throw DataError(
          fmt::format("{}: \"{}\" is no number; mend it", text.at(line), shown_text(cell)));
    }
    return value;
  };
  for (std::size_t line = 1; line <= text.lines.size(); ++line) {
    const std::string_view body = trimmed_text(text.lines[line - 1]);
    if (body.empty() || body.front() == '#') continue;
    const auto words = split_cells(body, ' ');
    const auto expect = [&](std::size_t count, const char* form) {
      if (words.size() != count) {
        throw DataError(
            fmt::format("{}: \"{}\"; write \"{}\"", text.at(line), shown_text(body), form));
      }
    };
    if (words[0] == "v") {
      expect(2, "v 3.0");
      table.settings["EMVA 1288 version"] = words[1];
    } else if (words[0] == "n") {
      expect(4, "n BITS WIDTH HEIGHT");
      format = {number(line, words[1]), number(line, words[2]), number(line, words[3])};
      table.settings["bits"] = words[1];
      table.settings["size"] = fmt::format("{} x {}", words[2], words[3]);
    } else if (words[0] == "b") {
      expect(3, "b EXPOSURE PHOTONS");
      bright.push_back({line, number(line, words[1]), number(line, words[2]), {}});
      current = &bright.back();
    } else if (words[0] == "d") {
      expect(2, "d EXPOSURE");
      dark.push_back({line, number(line, words[1]), 0, {}});
      current = &dark.back();
    } else if (words[0] == "i") {
      const std::string_view name = trimmed_text(body.substr(1));
      if (current == nullptr) {
        throw DataError(fmt::format(
            "{}: an image before any \"b\" or \"d\"; add its exposure above", text.at(line)));
      }
      std::string path(name);
      std::replace(path.begin(), path.end(), '\\', '/');
      current->images.emplace_back(line, path);
    } else {
      throw DataError(fmt::format("{}: unknown command \"{}\"; known are v, n, b, d, i",
                                  text.at(line), shown_text(words[0])));
    }
  }
  std::size_t spatial = 0;
  for (const auto* all : {&bright, &dark}) {
    for (const Series& series : *all) {
      if (series.images.size() < 2) {
        throw DataError(fmt::format("{}: a series of {} images; a temporal measurement has two",
                                    text.at(series.line), series.images.size()));
      }
      spatial += series.images.size() > 2;
    }
  }
  const std::filesystem::path folder = table.file.parent_path();
  std::map<double, Reduced> dark_at;
  for (const Series& series : dark) {
    if (series.images.size() != 2) continue;
    if (dark_at.count(series.exposure) > 0) {
      throw DataError(fmt::format("{}: a second dark series of exposure {} ns; delete one",
                                  text.at(series.line), series.exposure));
    }
    dark_at[series.exposure] = reduce(text, series, folder, format, table);
  }
  if (dark_at.empty()) {
    throw DataError(text.place + ": no dark series of two images; add \"d EXPOSURE\"");
  }
  std::sort(bright.begin(), bright.end(), [](const Series& a, const Series& b) {
    return std::pair(a.exposure, a.photons) < std::pair(b.exposure, b.photons);
  });
  for (const auto& [name, unit] :
       {std::pair{"texp", "ns"}, std::pair{"u_p", "photon"}, std::pair{"u_y", "DN"},
        std::pair{"s2_y", "DN^2"}, std::pair{"u_ydark", "DN"}, std::pair{"s2_ydark", "DN^2"}}) {
    table.columns.push_back(named_column(name, unit));
  }
  for (const Series& series : bright) {
    if (series.images.size() != 2) continue;
    const auto at = dark_at.find(series.exposure);
    if (at == dark_at.end()) {
      throw DataError(fmt::format("{}: no dark series of exposure {} ns; add \"d {}\"",
                                  text.at(series.line), series.exposure, series.exposure));
    }
    const Reduced light = reduce(text, series, folder, format, table);
    const std::array values = {series.exposure, series.photons,  light.mean,
                               light.variance,  at->second.mean, at->second.variance};
    for (std::size_t i = 0; i < values.size(); ++i) table.columns[i].values.push_back(values[i]);
    table.lines.push_back(static_cast<int>(series.line));
  }
  if (table.lines.empty()) {
    throw DataError(text.place + ": no bright series of two images; add \"b EXPOSURE PHOTONS\"");
  }
  if (spatial > 0) {
    table.warnings.push_back(fmt::format(
        "{} series of more than two images (spatial measurements) are left out", spatial));
  }
}

}  // namespace attojoule::data
