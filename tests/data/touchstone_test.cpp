// Touchstone 1 and 2: encodings, orders, units, and files that are broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "data/lab_file.hpp"
#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"
#include "tests/support/assets.hpp"

namespace attojoule::data {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class Touchstone : public testing::Test {
 protected:
  LabTable read(const std::string& text, const std::string& name = "a.s2p",
                const std::string& group = "") {
    return read_lab_file(folder_.write(name, text), {"", {}, group});
  }
  std::string message(const std::string& text, const std::string& name = "a.s2p") {
    std::string problem = message_of<Error>([&] { read(text, name); });
    const std::string prefix = folder_.path().string() + "/";
    for (auto at = problem.find(prefix); at != std::string::npos; at = problem.find(prefix)) {
      problem.erase(at, prefix.size());
    }
    return problem;
  }
  static std::complex<double> at(const LabTable& table, const std::string& name,
                                 std::size_t row = 0) {
    return {table.column("Re " + name).values.at(row), table.column("Im " + name).values.at(row)};
  }
  TemporaryFolder folder_;
};

// Two-port files store S11 S21 S12 S22; more ports go row by row.
TEST_F(Touchstone, OrderOfTheMatrix) {
  const LabTable two = read("# MHz S RI R 50\n1 11 0.5 21 0 12 0 22 -1\n");
  EXPECT_EQ(two.format, "touchstone-1");
  EXPECT_EQ(two.column("frequency").values[0], 1e6);
  EXPECT_EQ(at(two, "S11"), std::complex<double>(11, 0.5));
  EXPECT_EQ(at(two, "S21"), 21.0);
  EXPECT_EQ(at(two, "S12"), 12.0);
  EXPECT_EQ(at(two, "S22"), std::complex<double>(22, -1));
  EXPECT_EQ(two.settings.at("reference"), "50 ohm");
  const LabTable three = read(
      "# Hz S RI R 75\n"
      "1 11 0 12 0 13 0\n 21 0 22 0 23 0 ! comment\n\n 31 0 32 0 33 0\n",
      "a.S3P");
  EXPECT_EQ(at(three, "S12"), 12.0);
  EXPECT_EQ(at(three, "S31"), 31.0);
  EXPECT_THAT(three.lines, ElementsAre(2));
  const LabTable swapped = read(
      "[Version] 2.0\n# Hz S RI R 50\n[Number of Ports] 2\n"
      "[Two-Port Data Order] 12_21\n[Number of Frequencies] 1\n"
      "[Network Data]\n1 11 0 12 0 21 0 22 0\n[End]\nrubbish",
      "a.ts");
  EXPECT_EQ(swapped.format, "touchstone-2");
  EXPECT_EQ(at(swapped, "S12"), 12.0);
  for (const std::string format : {"Lower", "Upper"}) {
    const LabTable half = read(
        "[Version] 2.0\n# Hz S RI\n[Number of Ports] 3\n"
        "[Number of Frequencies] 1\n[Reference] 50\n 75 0.01\n"
        "[Matrix Format] " +
            format + "\n[Network Data]\n" +
            (format == "Lower" ? "1 11 0\n21 0 22 0\n31 0 32 0 33 0\n"
                               : "1 11 0 21 0 31 0\n22 0 32 0\n33 0\n"),
        "a.ts");
    EXPECT_EQ(at(half, "S12"), 21.0) << format;
    EXPECT_EQ(at(half, "S23"), 32.0) << format;
    EXPECT_EQ(half.settings.at("reference"), "50, 75, 0.01 ohm (by port)");
  }
}

TEST_F(Touchstone, EncodingsAndDefaults) {
  const LabTable polar = read("#\n2 0.5 90\n", "a.s1p");  // GHz S MA R 50
  EXPECT_EQ(polar.column("frequency").values[0], 2e9);
  EXPECT_NEAR(std::abs(at(polar, "S11") - std::complex<double>(0, 0.5)), 0, 1e-16);
  const LabTable decibel = read("# kHz S DB\n2 -20 180\n", "a.s1p");
  EXPECT_NEAR(std::abs(at(decibel, "S11") + 0.1), 0, 1e-16);
  // The default of the option line in any case and order, tabs and a byte order mark.
  const LabTable mixed = read("\xEF\xBB\xBF! x\n#\tR 25 ri s HZ\n2\t1\t2\n", "a.s1p");
  EXPECT_EQ(at(mixed, "S11"), std::complex<double>(1, 2));
  EXPECT_EQ(mixed.settings.at("reference"), "25 ohm");
}

// Version 1 divides by the reference resistance, version 2 does not.
TEST_F(Touchstone, ImpedancesAreInOhm) {
  EXPECT_DOUBLE_EQ(at(read("# Hz Z RI R 75\n1 2 0\n", "a.s1p"), "Z11").real(), 150);
  EXPECT_DOUBLE_EQ(at(read("# Hz Y RI R 50\n1 2 0\n", "a.s1p"), "Y11").real(), 0.04);
  const LabTable hybrid = read("# Hz H RI R 50\n1 1 0 1 0 1 0 1 0\n");
  EXPECT_EQ(at(hybrid, "H11").real(), 50);
  EXPECT_EQ(at(hybrid, "H21").real(), 1);
  EXPECT_EQ(at(hybrid, "H22").real(), 0.02);
  EXPECT_EQ(hybrid.column("Re H11").unit, "ohm");
  EXPECT_EQ(hybrid.column("Re H22").unit, "S");
  EXPECT_DOUBLE_EQ(at(read("[Version] 2.0\n# Hz Z RI R 75\n[Number of Ports] 1\n"
                           "[Number of Frequencies] 1\n[Network Data]\n1 2 0\n",
                           "a.ts"),
                      "Z11")
                       .real(),
                   2);
}

TEST_F(Touchstone, NoiseParameters) {
  const std::string text =
      "# GHz S MA R 50\n2 .9 0 3 0 .1 0 .6 0\n22 .6 0 1 0 .1 0 .5 0\n"
      "! noise\n4 .7 .5 90 .38\n18 2.7 .4 0 .4\n";
  const LabTable network = read(text);
  EXPECT_EQ(network.rows(), 2u);
  EXPECT_THAT(network.warnings, Contains(HasSubstr("--group noise")));
  const LabTable noise = read(text, "a.s2p", "noise");
  EXPECT_THAT(noise.column("frequency").values, ElementsAre(4e9, 18e9));
  EXPECT_THAT(noise.column("Fmin").values, ElementsAre(.7, 2.7));
  EXPECT_NEAR(noise.column("Im Gopt").values[0], 0.5, 1e-16);
  EXPECT_DOUBLE_EQ(noise.column("Rn").values[0], 19);
  EXPECT_THAT(message_of<ConfigError>([&] { read("#\n1 1 0\n", "a.s1p", "noise"); }),
              HasSubstr("no noise data"));
}

TEST_F(Touchstone, WhatIsToleratedIsSaid) {
  EXPECT_THAT(read("# Hz S RI R 50\n# Hz S RI R 20\n1 2 0\n", "a.s1p").warnings,
              ElementsAre(HasSubstr("second option line")));
  EXPECT_THAT(read("# Hz S RI R (50+5j)\n1 2 0\n", "a.s1p").warnings,
              ElementsAre(HasSubstr("complex reference impedance (50+5j ohm)")));
  EXPECT_THAT(read("# Hz S RI\n1 2 0\n! Port Impedance 49 1\n", "a.s1p").warnings,
              ElementsAre(HasSubstr("port impedances")));
}

TEST_F(Touchstone, BrokenFiles) {
  EXPECT_THAT(message("1 2 3\n", "a.s1p"), StartsWith("a.s1p: no option line"));
  EXPECT_THAT(message("# GHz S RI R 50\n"), StartsWith("a.s2p:1: no network data"));
  EXPECT_THAT(message("# GHz S RI R 50\n1 2 3\n"), StartsWith("a.s2p:2:1: 3 numbers where"));
  EXPECT_THAT(message("# GHz S RI R 50\n1 1 1 1 1\n1 1 1 1 1\n"),
              StartsWith("a.s2p:3:1: the line above has 5 numbers"));
  EXPECT_THAT(message("# GHz S RI R 50\n1 2 3 4\n", "a.s1p"),
              StartsWith("a.s1p:2:7: a matrix of 1 ports ends here"));
  EXPECT_THAT(message("# GHz S RI R 50\n1 2 x\n", "a.s1p"), StartsWith("a.s1p:2:5: \"x\""));
  EXPECT_THAT(message("# GHz S RI R 50\n1 2 nan\n", "a.s1p"), StartsWith("a.s1p:2:5: \"nan\""));
  EXPECT_THAT(message("# GHz S RI R 50\n2 2 3\n1 2 3\n", "a.s1p"),
              AllOf(StartsWith("a.s1p:3:1: frequency 1000000000"), HasSubstr("sort the rows")));
  EXPECT_THAT(message("# GHz S RI R 50\n1 2 3\n1 2 3\n", "a.s1p"), StartsWith("a.s1p:3:1:"));
  EXPECT_THAT(message("# GHz Q RI R 50\n1 2 3\n", "a.s1p"), StartsWith("a.s1p:1: \"q\" is no"));
  EXPECT_THAT(message("# GHz S RI R\n1 2 3\n", "a.s1p"), HasSubstr("\"R\" without"));
  EXPECT_THAT(message("# GHz S RI R fifty\n1 2 3\n", "a.s1p"), HasSubstr("\"fifty\""));
  EXPECT_THAT(message("# GHz S RI R -1\n1 2 3\n", "a.s1p"), HasSubstr("above 0 ohm"));
  EXPECT_THAT(message("# GHz H RI R 50\n1 2 3\n", "a.s1p"), HasSubstr("only two-ports"));
  EXPECT_THAT(message("# GHz S RI R 50\n1 2 3 4 5\n", "a.txt"), HasSubstr("leaves the ports open"));
  const std::string head = "[Version] 2.0\n# Hz S RI\n";
  EXPECT_THAT(message("[Version] 3.0\n# Hz S RI\n", "a.ts"), StartsWith("a.ts:1: version \"3.0\""));
  EXPECT_THAT(message(head + "[Network Data]\n1 2 3\n", "a.ts"), HasSubstr("[Number of Ports]"));
  EXPECT_THAT(message(head + "[Number of Ports] 2\n[Network Data]\n1 2 3\n", "a.ts"),
              HasSubstr("[Two-Port Data Order]"));
  EXPECT_THAT(
      message(head + "[Number of Ports] 1\n[Number of Frequencies] 2\n[Network Data]\n1 2 3\n",
              "a.ts"),
      AllOf(StartsWith("a.ts:6: 1 frequencies"), HasSubstr("says 2")));
  EXPECT_THAT(message(head + "[Number of Ports] 0\n", "a.ts"), StartsWith("a.ts:3:"));
  EXPECT_THAT(message(head + "[Number of Ports 1\n", "a.ts"), HasSubstr("closing bracket"));
  EXPECT_THAT(
      message(head + "[Number of Ports] 1\n[Reference] 50 50\n[Network Data]\n1 2 3\n", "a.ts"),
      StartsWith("a.ts:4: [Reference] has 2"));
}

// Files of other programs.
TEST_F(Touchstone, SharedFixtures) {
  ATTOJOULE_ASSET(ring, "lab/touchstone/ring_slot.s2p");
  const std::filesystem::path folder = ring.parent_path();
  const LabTable slot = read_lab_file(ring);
  EXPECT_EQ(slot.rows(), 201u);
  EXPECT_EQ(at(slot, "S21"), std::complex<double>(0.61345710452, 0.366781386817));
  EXPECT_EQ(at(slot, "S22"), std::complex<double>(-0.199584332837, 0.648334696392));
  // ex_3 announces noise data and has none; ex_1 and comments have no data at all.
  EXPECT_THAT(read_lab_file(folder / "ex_3.ts").warnings, Contains(HasSubstr("no [Noise Data]")));
  EXPECT_THAT(message_of<DataError>([&] { read_lab_file(folder / "ex_1.ts"); }),
              HasSubstr("ex_1.ts:5: no network data"));
  EXPECT_THAT(message_of<DataError>([&] { read_lab_file(folder / "comments.s3p"); }),
              HasSubstr("comments.s3p:13: no network data"));
  // Port numbers of the same network in both versions, and in lower triangular form.
  const LabTable full = read_lab_file(folder / "ex_5.ts");
  const LabTable lower = read_lab_file(folder / "ex_6.ts");
  for (const auto& column : full.columns) {
    if (column.name == "Re S22" || column.name == "Im S22") continue;
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_NEAR(lower.column(column.name).values[i], column.values[i], 1e-12) << column.name;
    }
  }
  EXPECT_THAT(read_lab_file(folder / "ex_16.ts").settings.at("mixed-mode order"),
              "D2,3 D6,5 C2,3 C6,5 S4 S1");
  EXPECT_EQ(at(read_lab_file(folder / "ex_16.ts"), "S(C6,5;S4)"), std::complex<double>(2, -0.5));
  EXPECT_THAT(read_lab_file(folder / "test_encoding_ISO-8859-1.s2p").warnings,
              Contains(HasSubstr("ISO 8859-1")));
  std::size_t read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name == "ex_1.ts" || name == "comments.s3p") continue;
    EXPECT_NO_THROW(read_lab_file(entry.path())) << name;
    ++read;
  }
  EXPECT_EQ(read, 31u);
}

}  // namespace
}  // namespace attojoule::data
