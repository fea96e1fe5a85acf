// Files of operating points: both forms, and what is refused.
#include "data/operating_point_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::HasSubstr;

class OperatingPointFile : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  std::filesystem::path write(const std::string& text) const {
    return folder_.write("points.yaml", text);
  }
  std::string refusal(const std::string& text) const {
    try {
      read_operating_points(write(text));
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
};

OperatingPointTable table() {
  OperatingPointTable table;
  table.model_sha256 = "ab12";
  table.law = "homodyne";
  table.encoding = "normalised";
  table.layers = {{"conv", {{3, 1, 1}, {0.1, 2, 1}, {1.0 / 3, 7, 4}}}, {"fc", {{1e-3, 1, 1}}}};
  table.layers[0].dot_length = 27;
  table.layers[1].dot_length = 64;
  return table;
}

void expect_same(const OperatingPointTable& a, const OperatingPointTable& b) {
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    EXPECT_EQ(a.layers[i].name, b.layers[i].name);
    EXPECT_EQ(a.layers[i].dot_length, b.layers[i].dot_length);
    ASSERT_EQ(a.layers[i].points.size(), b.layers[i].points.size());
    for (std::size_t c = 0; c < a.layers[i].points.size(); ++c) {
      EXPECT_EQ(a.layers[i].points[c].photons_per_mac, b.layers[i].points[c].photons_per_mac);
      EXPECT_EQ(a.layers[i].points[c].repetitions, b.layers[i].points[c].repetitions);
      EXPECT_EQ(a.layers[i].points[c].integrations, b.layers[i].points[c].integrations);
    }
  }
}

TEST_F(OperatingPointFile, hdf5_comes_back_bit_for_bit) {
  {
    ResultWriter writer(path("learned.h5"), {});
    write_operating_points(writer, table());
    writer.commit();
  }
  const OperatingPointTable back = read_operating_points(path("learned.h5"));
  EXPECT_EQ(back.model_sha256, "ab12");
  EXPECT_EQ(back.law, "homodyne");
  expect_same(back, table());
}

TEST_F(OperatingPointFile, yaml_says_the_same) {
  const auto file = write(
      "model_sha256: ab12\n"
      "law: homodyne\n"
      "layers:\n"
      "  - {name: conv, photons_per_mac: [3, 0.1, 0.3333333333333333], repetitions: [1, 2, 7],\n"
      "     integrations: [1, 1, 4], dot_length: 27}\n"
      "  - {name: fc, photons_per_mac: 0.001, dot_length: 64}\n");
  expect_same(read_operating_points(file), table());
}

TEST_F(OperatingPointFile, says_what_is_wrong_and_where) {
  EXPECT_THAT(refusal("layers: []\n"), HasSubstr("no layers"));
  EXPECT_THAT(refusal("layers:\n  - {name: fc, photons_per_mac: -1}\n"),
              HasSubstr("points.yaml:2:5"));
  EXPECT_THAT(refusal("layers:\n  - {name: fc, photons_per_mac: 1, repetitions: 1.5}\n"),
              HasSubstr("not a whole number"));
  EXPECT_THAT(refusal("layers:\n  - {name: fc, photons_per_mac: [1, 2], repetitions: [1, 2, 3]}\n"),
              HasSubstr("3 values for 2"));
  EXPECT_THAT(refusal("layers:\n  - {name: fc, photons_per_mac: 1, dot_length: 0}\n"),
              HasSubstr("points.yaml:2:"));
  EXPECT_THAT(refusal("layers:\n  - {name: fc, photons: 1}\n"), HasSubstr("photons_per_mac"));
  EXPECT_THAT(refusal("layers:\n  - {name: fc, photons_per_mac: 1, reads: 2}\n"),
              HasSubstr("reads"));
  EXPECT_THAT(refusal("layers:\n  - {name: a, photons_per_mac: 1}\n"
                      "  - {name: a, photons_per_mac: 2}\n"),
              HasSubstr("second time"));
  EXPECT_THROW(read_operating_points(path("none.h5")), DataError);
}

TEST_F(OperatingPointFile, a_result_without_points_is_no_operating_point) {
  {
    ResultWriter writer(path("run.h5"), {});
    writer.scalar("/macs", 1, "MAC", "multiplications");
    writer.commit();
  }
  try {
    read_operating_points(path("run.h5"));
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no group /learn"));
  }
}

// Entries of a file that another program wrote are checked like those of a text.
TEST_F(OperatingPointFile, hdf5_with_nonsense_is_refused) {
  const auto refusal_of = [&](std::vector<std::int64_t> layers, std::vector<std::int64_t> channels,
                              std::vector<double> photons) -> std::string {
    {
      ResultWriter writer(path("bad.h5"), {});
      writer.axis("/learn/layers/name", std::vector<std::string>{"a", "b"}, "n");
      std::vector<double> index, ones;
      for (std::size_t i = 0; i < layers.size(); ++i) {
        index.push_back(static_cast<double>(i));
        ones.push_back(1);
      }
      writer.axis("/learn/point/index", index, "1", "i");
      const AxisPaths axes{"/learn/point/index"};
      writer.write("/learn/point/layer", layers, axes, "1", "l");
      writer.write("/learn/point/channel", channels, axes, "1", "c");
      writer.write("/learn/point/photons_per_mac", photons, axes, "1", "p");
      writer.write("/learn/point/repetitions", ones, axes, "1", "r");
      writer.write("/learn/point/integrations", ones, axes, "1", "m");
      writer.commit();
    }
    try {
      read_operating_points(path("bad.h5"));
    } catch (const DataError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal_of({0, 1}, {-1, -1}, {1, 2}), "accepted");
  EXPECT_THAT(refusal_of({0, 2}, {-1, -1}, {1, 2}), HasSubstr("layer 2 does not exist"));
  EXPECT_THAT(refusal_of({0, 0}, {-1, -1}, {1, 2}), HasSubstr("channel -1 of 'a'"));
  EXPECT_THAT(refusal_of({0, 0}, {0, 2}, {1, 2}), HasSubstr("channel 2 of 'a'"));
  EXPECT_THAT(refusal_of({0, 1}, {-1, -1}, {1, 0}), HasSubstr("not a positive number"));
  EXPECT_THAT(refusal_of({0, 1}, {-1, -1}, {1, std::nan("")}), HasSubstr("not a positive number"));
}

}  // namespace
}  // namespace attojoule::data
