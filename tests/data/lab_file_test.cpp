// Files of measurements: the program's own CSV, HDF5, and what column_in() makes of them.
#include "data/lab_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

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

const std::filesystem::path laboratory =
    std::filesystem::path(ATTOJOULE_SOURCE_DIR) / "data/laboratory";

class LabFile : public testing::Test {
 protected:
  LabTable read(const std::string& text, const LabReadOptions& options = {},
                const std::string& name = "data.csv") {
    return read_lab_file(folder_.write(name, text), options);
  }
  // The message of what reading throws, without the folder.
  std::string message(const std::string& text, const LabReadOptions& options = {},
                      const std::string& name = "data.csv") {
    return without_folder(message_of<Error>([&] { read(text, options, name); }));
  }
  template <class Call>
  std::string message_from(Call call) {
    return without_folder(message_of<Error>(call));
  }
  std::string without_folder(std::string text) {
    const std::string prefix = folder_.path().string() + "/";
    for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) {
      text.erase(at, prefix.size());
    }
    return text;
  }
  TemporaryFolder folder_;
};

TEST_F(LabFile, UnitsBehindASlashAndLevelBesidePhase) {
  const LabTable table = read("I/mA, P / uW,gain A/W,V/V\n1,2,3,4\n");
  EXPECT_EQ(table.columns[0].name, "I");
  EXPECT_EQ(table.columns[0].unit, "mA");
  EXPECT_EQ(table.columns[1].name, "P");
  EXPECT_EQ(table.columns[1].unit, "uW");
  // A unit with a slash is one, and a name that only looks like a quotient stays a name.
  EXPECT_EQ(table.columns[2].name, "gain A/W");
  EXPECT_EQ(table.columns[3].name, "V/V");
  const LabTable analyser = read("Freq(Hz),S21(DB),S21(DEG)\n1e6,-3,10\n2e6,-4,20\n");
  EXPECT_EQ(analyser.columns[1].name, "S21");
  EXPECT_EQ(analyser.columns[2].name, "S21 (DEG)");
  EXPECT_THAT(analyser.warnings, Contains(HasSubstr("second one called")));
}

TEST_F(LabFile, ColumnsOfLabelsAndTimesAreLeftOut) {
  const LabTable table = read(
      "Operator,K. Meyer\nTimestamp,guide,L [mm],T [dB]\n2026-01-12 14:03:11,A1,5,-9.1\n"
      "2026-01-12 14:05:40,A2,10,-10.2\n2026-01-12 14:09:02,B1,20,-12.3\n");
  ASSERT_EQ(table.columns.size(), 2u);
  EXPECT_THAT(column_in(table, "L", "cm"), ElementsAre(0.5, 1, 2));
  EXPECT_THAT(column_in(table, "T", "dB"), ElementsAre(-9.1, -10.2, -12.3));
  EXPECT_THAT(table.lines, ElementsAre(3, 4, 5));
  EXPECT_THAT(table.warnings, Contains(HasSubstr("\"guide\" holds no numbers")));
  const LabTable comma = read("Probe;I (mA);P (mW)\na;0,5;1,25\nb;1,0;2,5\n");
  EXPECT_THAT(column_in(comma, "P", "mW"), ElementsAre(1.25, 2.5));
  // A label in a column of numbers is an error, and a table of words no table.
  EXPECT_THAT(message("g,x [V],y [V]\na,1,2\nb,x,4\n"), HasSubstr("no row of numbers"));
  EXPECT_THAT(message("g,h,y\na,b,c\nd,e,f\n"), HasSubstr("no row of numbers"));
}

TEST_F(LabFile, OwnCsvWithUnitsAndSettings) {
  const LabTable table = read_lab_file(laboratory / "own_with_units.csv");
  EXPECT_EQ(table.format, "attojoule-csv");
  EXPECT_EQ(table.sha256.size(), 64u);
  EXPECT_THAT(table.warnings, IsEmpty());
  ASSERT_EQ(table.columns.size(), 3u);
  EXPECT_EQ(table.columns[1].unit, "uA");
  EXPECT_THAT(table.lines, ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(column_in(table, "P_LO", "W"), ElementsAre(0, 0.5e-3, 1e-3, 2e-3));
  EXPECT_DOUBLE_EQ(column_in(table, "I", "A")[1], 412.6e-6);
  EXPECT_DOUBLE_EQ(setting_in(table, "RBW", "Hz").value(), 300e3);
  EXPECT_DOUBLE_EQ(setting_in(table, "wavelength", "m").value(), 1550e-9);
  EXPECT_FALSE(setting_in(table, "VBW", "Hz"));
  // Counted, without a unit: a plain number.
  EXPECT_THAT(column_in(table, "sweep", "1"), ElementsAre(1, 1, 1, 1));
}

TEST_F(LabFile, MissingAndWrongUnitsHaveAPlace) {
  const LabTable table = read("# a: b\nI [A],P_LO\n1,2\n3,-4\n");
  EXPECT_THAT(message_from([&] { column_in(table, "P_LO", "W"); }),
              StartsWith("data.csv:2: column 2 \"P_LO\" has no unit; write \"P_LO [mW]\" or pass "
                         "--unit P_LO=mW"));
  EXPECT_THAT(message_from([&] { column_in(table, "I", "V"); }),
              AllOf(StartsWith("data.csv:2: column 1 \"I\" is in [A]"), HasSubstr("[V]")));
  EXPECT_THAT(message_from([&] { column_in(table, "P", "V"); }),
              AllOf(HasSubstr("no column \"P\""), HasSubstr("I, P_LO")));
  const LabTable with_unit = read("I [A],P_LO\n1,2\n3,-4\n", {"", {"P_LO=mW"}, ""});
  EXPECT_THAT(column_in(with_unit, "P_LO", "W"), ElementsAre(2e-3, -4e-3));
  EXPECT_THAT(message_from([&] { column_in(with_unit, "P_LO", "dBm"); }),
              StartsWith("data.csv:3: P_LO = -4 mW cannot be expressed in [dBm]"));
  const LabTable density = read("S [dBm/Hz]\n-150\n");
  EXPECT_THAT(message_from([&] { column_in(density, "S", "W"); }),
              HasSubstr("a density per hertz is no power"));
  const LabTable setting = read("# RBW: 300\nx [V]\n1\n");
  EXPECT_THAT(message_from([&] { setting_in(setting, "impedance", "ohm"); }),
              "(nothing was thrown)");
  const LabTable wrong = read("# RBW: wide\nx [V]\n1\n");
  EXPECT_THAT(message_from([&] { setting_in(wrong, "RBW", "Hz"); }), HasSubstr("\"wide\""));
}

TEST_F(LabFile, WithoutHeader) {
  const LabTable bare = read("0 1\n1 2.5\n2 4\n");
  EXPECT_EQ(bare.columns[1].name, "column_2");
  EXPECT_THAT(bare.warnings, ElementsAre(HasSubstr("--columns")));
  const LabTable named = read("0,1\n1,2.5\n", {"I [mA], P [mW]", {}, ""});
  EXPECT_THAT(column_in(named, "P", "W"), ElementsAre(1e-3, 2.5e-3));
  EXPECT_THAT(message("0,1\n", {"I [mA]", {}, ""}), HasSubstr("data.csv:1 has 2"));
  EXPECT_THAT(message("0,1\n", {"I [foo], P", {}, ""}), HasSubstr("unknown unit \"foo\""));
  const LabTable replaced = read("current,power\n0,1\n", {"I [mA], P [mW]", {}, ""});
  EXPECT_THAT(replaced.warnings, ElementsAre(HasSubstr("header of line 1")));
}

TEST_F(LabFile, OtherWaysOfWritingATable) {
  // Semicolons and decimal commas; units in a line of their own; blanks; a byte order mark.
  EXPECT_THAT(column_in(read("U [V];I [mA]\n1,5;2,25\n"), "I", "mA"), ElementsAre(2.25));
  EXPECT_THAT(column_in(read("U,I\nV,mA\n1.5,2\n"), "I", "A"), ElementsAre(2e-3));
  EXPECT_THAT(column_in(read("U [V] I [mA]\n1.5 2\n 2.5\t3\n"), "I", "A"), ElementsAre(2e-3, 3e-3));
  EXPECT_THAT(column_in(read("\xEF\xBB\xBFU (V),I (mA)\r\n1.5,+2e0\r\n"), "I", "A"),
              ElementsAre(2e-3));
  const LabTable latin = read("# d\xE9tecteur: a\nU [V]\n1\n");
  EXPECT_EQ(latin.settings.at("détecteur"), "a");
  EXPECT_THAT(latin.warnings, ElementsAre(HasSubstr("ISO 8859-1")));
  const std::string wide(
      "\xFF\xFE"
      "x\0 \0[\0V\0]\0\n\0"
      "1\0\n\0",
      18);
  EXPECT_THAT(column_in(read(wide), "x", "V"), ElementsAre(1));
  const LabTable rows = read("wavelength [nm],1,2,3\npower [dBm],0,10,20\n");
  EXPECT_EQ(rows.format, "siepic-csv");
  EXPECT_THAT(column_in(rows, "power", "mW"), ElementsAre(1, 10, 100));
}

// A broken file names line and column, and what to do.
TEST_F(LabFile, BrokenFiles) {
  EXPECT_THAT(message(""), HasSubstr("data.csv: the file is empty"));
  EXPECT_THAT(message("x [V]\n"), StartsWith("data.csv:1: no row of numbers"));
  EXPECT_THAT(message("x [V],y\n1,2\n3\n"), StartsWith("data.csv:3: 1 cells, 2 expected"));
  EXPECT_THAT(message("x [V],y\n1,2\n3,4,5\n"), StartsWith("data.csv:3: 3 cells, 2 expected"));
  EXPECT_THAT(message("x [V],y\n1,2\n3,OVL\n"),
              StartsWith("data.csv:3:2: \"OVL\" is no finite number in column \"y\""));
  EXPECT_THAT(message("x [V],y\n1,2\n3,nan\n"), StartsWith("data.csv:3:2: \"nan\""));
  EXPECT_THAT(message("x [V],y\n1,2\n3,\n"), StartsWith("data.csv:3:2: an empty cell"));
  EXPECT_THAT(message("x [V],y\n1,2\n3,1e999\n"), StartsWith("data.csv:3:2: \"1e999\""));
  EXPECT_THAT(message("x [V],x [A]\n1,2\n"), StartsWith("data.csv:1:2: two columns are called"));
  EXPECT_THAT(message("f [Hz],S(deg),S(deg),S(deg)\n1,2,3,4\n"), HasSubstr("two columns are"));
  EXPECT_THAT(message("x [Vv]\n1\n"),
              AllOf(StartsWith("data.csv:1: column 1 \"x\""), HasSubstr("unknown unit \"Vv\"")));
  EXPECT_THAT(message("x [V]\n1,2\n"), StartsWith("data.csv:1: 1 names, but 2 numbers in line 2"));
  EXPECT_THAT(message("\x01\x02\x03"), HasSubstr("no text"));
  EXPECT_THAT(message("x [V]\n1\n", {"", {"x"}, ""}), HasSubstr("has no \"=\""));
  EXPECT_THAT(message("x [V]\n1\n", {"", {"x=foo"}, ""}), HasSubstr("unknown unit \"foo\""));
  EXPECT_THAT(message("x [V]\n1\n", {"", {}, "g"}), HasSubstr("no HDF5 file"));
  EXPECT_THAT(message("\x89HDF\r\n\x1a\nrest"), HasSubstr("cannot be opened"));
  EXPECT_THAT(message_of<DataError>([] { read_lab_file("no/such.csv"); }),
              HasSubstr("no/such.csv"));
}

TEST_F(LabFile, ConvertedFilesReadBackBitForBit) {
  LabTable table =
      read("# RBW: 300 kHz\nt [ns],V out [mV],n\n0.1,1e-300,3\n0.30000000000000004,-0,4\n");
  write_lab_csv(table, folder_.path() / "again.csv");
  write_lab_hdf5(table, folder_.path() / "again.h5");
  for (const char* name : {"again.csv", "again.h5"}) {
    const LabTable again = read_lab_file(folder_.path() / name);
    ASSERT_EQ(again.columns.size(), 3u) << name;
    for (const auto& column : table.columns) {
      EXPECT_EQ(again.column(column.name).values, column.values) << name;
    }
    EXPECT_EQ(again.column("V out").unit, "mV") << name;
    EXPECT_EQ(again.settings.at("RBW"), "300 kHz") << name;
    EXPECT_EQ(again.settings.at("sha256 of the source"), table.sha256) << name;
  }
  EXPECT_THAT(message_of<RunError>([&] { write_lab_csv(table, "no/such/folder/x.csv"); }),
              HasSubstr("cannot be written"));
  EXPECT_THAT(message_of<RunError>([&] { write_lab_hdf5(table, "no/such/folder/x.h5"); }),
              HasSubstr("cannot be written"));
}

TEST_F(LabFile, PowerAcrossAnImpedance) {
  const LabTable table = read("L [dBuV],P [dBm]\n106.98970004336019,0\n");
  EXPECT_THAT(message_from([&] { power_in_watt(table, "L"); }), HasSubstr("--impedance"));
  EXPECT_NEAR(power_in_watt(table, "L", 50)[0], 1e-3, 1e-15);
  EXPECT_NEAR(power_in_watt(table, "P")[0], 1e-3, 1e-15);
}

TEST_F(LabFile, EmvaTable) {
  ATTOJOULE_ASSET(file, "lab/photon_transfer/emva1288_001_ccd12.csv");
  const LabTable table = read_lab_file(file);
  EXPECT_EQ(table.format, "emva-table");
  EXPECT_EQ(table.rows(), 50u);
  EXPECT_EQ(column_in(table, "s2_y", "DN^2")[0], 13.921782650370067);
  EXPECT_DOUBLE_EQ(column_in(table, "texp", "s")[0], 40e-6);
}

TEST_F(LabFile, CutBackSweepsHaveRowsForColumns) {
  ATTOJOULE_ASSET(file, "lab/cutback/wgloss_straight_350nm_8612u.csv");
  const LabTable table = read_lab_file(file);
  EXPECT_EQ(table.format, "siepic-csv");
  EXPECT_EQ(table.rows(), 1101u);
  EXPECT_NEAR(column_in(table, "wavelength", "m").front(), 1260e-9, 1e-20);
  EXPECT_EQ(column_in(table, "channel_2", "dBm").front(), -38.3696);
  EXPECT_THAT(table.warnings, Contains(HasSubstr("\"channel_2\": dBm")));
}

}  // namespace
}  // namespace attojoule::data
