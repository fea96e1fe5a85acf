#include "data/config.hpp"

#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <numbers>

#include "data/names.hpp"
#include "photonics/error.hpp"
#include "tests/data/temporary_folder.hpp"

namespace attojoule::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

double quantity(std::string_view text, Dimension dimension) {
  return parse_quantity(text, dimension, "test");
}

std::string refusal(std::string_view text, Dimension dimension) {
  return message_of<ConfigError>([&] { quantity(text, dimension); });
}

std::string parse_error(const std::string& text) {
  return message_of<ConfigError>([&] { ConfigNode::parse(text, "a.yaml"); });
}

constexpr std::array dimensions = {Dimension::none,
                                   Dimension::length,
                                   Dimension::power,
                                   Dimension::time,
                                   Dimension::frequency,
                                   Dimension::temperature,
                                   Dimension::voltage,
                                   Dimension::current,
                                   Dimension::resistance,
                                   Dimension::capacitance,
                                   Dimension::energy,
                                   Dimension::ratio_db,
                                   Dimension::relative_intensity_noise,
                                   Dimension::responsivity,
                                   Dimension::angle};

// ---- quantities ----

TEST(Quantity, EveryDimensionHasItsUnit) {
  EXPECT_EQ(quantity("0.5", Dimension::none), 0.5);
  EXPECT_EQ(quantity("90 %", Dimension::none), 0.9);
  EXPECT_EQ(quantity("1550 nm", Dimension::length), 1550e-9);
  EXPECT_EQ(quantity("2.5 cm", Dimension::length), 0.025);
  EXPECT_EQ(quantity("3 mW", Dimension::power), 3e-3);
  EXPECT_EQ(quantity("10 ns", Dimension::time), 10e-9);
  EXPECT_EQ(quantity("1 GHz", Dimension::frequency), 1e9);
  EXPECT_EQ(quantity("300 K", Dimension::temperature), 300);
  EXPECT_EQ(quantity("900 mV", Dimension::voltage), 0.9);
  EXPECT_EQ(quantity("5 nA", Dimension::current), 5e-9);
  EXPECT_EQ(quantity("10 kohm", Dimension::resistance), 10e3);
  EXPECT_EQ(quantity("10 k\u03A9", Dimension::resistance), 10e3);
  EXPECT_EQ(quantity("10 k\u2126", Dimension::resistance), 10e3);
  EXPECT_EQ(quantity("10 pF", Dimension::capacitance), 10e-12);
  EXPECT_EQ(quantity("1.5 aJ", Dimension::energy), 1.5e-18);
  EXPECT_EQ(quantity("-3 dB", Dimension::ratio_db), -3);
  EXPECT_EQ(quantity("1e-15 1/Hz", Dimension::relative_intensity_noise), 1e-15);
  EXPECT_EQ(quantity("1.1 A/W", Dimension::responsivity), 1.1);
  EXPECT_EQ(quantity("900 mA/W", Dimension::responsivity), 0.9);
  EXPECT_EQ(quantity("0.1 rad", Dimension::angle), 0.1);
}

TEST(Quantity, PrefixesFromZeptoToTera) {
  const std::pair<const char*, double> prefixes[] = {
      {"z", 1e-21}, {"a", 1e-18}, {"f", 1e-15},     {"p", 1e-12},     {"n", 1e-9},
      {"u", 1e-6},  {"m", 1e-3},  {"\u00B5", 1e-6}, {"\u03BC", 1e-6}, {"", 1},
      {"k", 1e3},   {"M", 1e6},   {"G", 1e9},       {"T", 1e12}};
  for (const auto& [prefix, factor] : prefixes) {
    EXPECT_EQ(quantity(std::string("1 ") + prefix + "J", Dimension::energy), factor) << prefix;
    // With and without blanks.
    EXPECT_EQ(quantity(std::string("1") + prefix + "J", Dimension::energy), factor) << prefix;
  }
}

// The decimal exponent is changed before the text becomes binary: no second rounding.
TEST(Quantity, PrefixIsExact) {
  EXPECT_EQ(quantity("1550 nm", Dimension::length), 1550e-9);
  EXPECT_EQ(quantity("1550.12 nm", Dimension::length), 1550.12e-9);
  EXPECT_EQ(quantity("0.3 um", Dimension::length), 0.3e-6);
  EXPECT_EQ(quantity("1.1e1 pF", Dimension::capacitance), 11e-12);
  EXPECT_EQ(quantity("7 %", Dimension::none), 0.07);
  EXPECT_EQ(quantity("+5 ns", Dimension::time), 5e-9);
  EXPECT_EQ(quantity("5.e-1 ns", Dimension::time), 0.5e-9);
}

TEST(Quantity, LogarithmicUnitsAndDegrees) {
  EXPECT_DOUBLE_EQ(quantity("0 dBm", Dimension::power), 1e-3);
  EXPECT_DOUBLE_EQ(quantity("3 dBm", Dimension::power), 1.9952623149688795e-3);
  EXPECT_DOUBLE_EQ(quantity("-30 dBm", Dimension::power), 1e-6);
  EXPECT_DOUBLE_EQ(quantity("-155 dBc/Hz", Dimension::relative_intensity_noise),
                   3.1622776601683793e-16);
  EXPECT_EQ(quantity("-155 dBc/Hz", Dimension::relative_intensity_noise),
            quantity("-155 dB/Hz", Dimension::relative_intensity_noise));
  EXPECT_DOUBLE_EQ(quantity("180 deg", Dimension::angle), std::numbers::pi);
  EXPECT_DOUBLE_EQ(quantity("90\u00B0", Dimension::angle), std::numbers::pi / 2);
}

TEST(Quantity, MissingUnit) {
  for (const Dimension dimension : dimensions) {
    if (dimension == Dimension::none) continue;
    const std::string message = refusal("12", dimension);
    EXPECT_THAT(message, AllOf(StartsWith("test: \"12\" has no unit ("),
                               HasSubstr(dimension_name(dimension) + " is expected here"),
                               HasSubstr("Write for example \"12 ")));
  }
}

TEST(Quantity, WrongDimension) {
  EXPECT_EQ(
      refusal("10 pF", Dimension::length),
      "test: \"10 pF\" is a capacitance (a length is expected here). Write for example \"1 nm\". "
      "Known units here: m with an SI prefix, cm.");
  EXPECT_THAT(refusal("5 nm", Dimension::none),
              HasSubstr("is a length (a plain number is expected"));
  EXPECT_THAT(refusal("5 %", Dimension::time), HasSubstr("is a plain number (a time is expected"));
}

TEST(Quantity, UnknownUnitNamesTheNearest) {
  EXPECT_EQ(
      refusal("10 PF", Dimension::capacitance),
      "test: unknown unit \"PF\" in \"10 PF\" (a capacitance is expected here). Did you mean \"10 "
      "pF\"? Known units here: F with an SI prefix.");
  EXPECT_THAT(refusal("3 dbm", Dimension::power), HasSubstr("Did you mean \"3 dBm\"?"));
  EXPECT_THAT(refusal("3 furlongs", Dimension::length), Not(HasSubstr("Did you mean")));
}

TEST(Quantity, NotANumberOrNotFinite) {
  EXPECT_THAT(refusal("", Dimension::time), HasSubstr("does not start with a number"));
  EXPECT_THAT(refusal("fast", Dimension::time), HasSubstr("does not start with a number"));
  EXPECT_THAT(refusal("+-5 s", Dimension::time), HasSubstr("does not start with a number"));
  EXPECT_THAT(refusal("inf s", Dimension::time), HasSubstr("is not finite"));
  EXPECT_THAT(refusal("-Infinity s", Dimension::time), HasSubstr("is not finite"));
  EXPECT_THAT(refusal("nan", Dimension::none), HasSubstr("is not finite"));
  EXPECT_THAT(refusal("1e400 s", Dimension::time), HasSubstr("outside the range of a double"));
  EXPECT_THAT(refusal("1e300 Ts", Dimension::time), HasSubstr("outside the range of a double"));
  EXPECT_THAT(refusal("4000 dBm", Dimension::power), HasSubstr("outside the range of a double"));
  EXPECT_THAT(refusal("1,5 nm", Dimension::length), HasSubstr("decimal comma"));
}

TEST(Quantity, FormatChoosesThePrefix) {
  EXPECT_EQ(format_quantity(1e-11, Dimension::capacitance), "10 pF");
  EXPECT_EQ(format_quantity(1550e-9, Dimension::length), "1.55 um");
  EXPECT_EQ(format_quantity(-3, Dimension::ratio_db), "-3 dB");
  EXPECT_EQ(format_quantity(0.5, Dimension::none), "0.5");
  EXPECT_EQ(format_quantity(0, Dimension::energy), "0 J");
  EXPECT_EQ(format_quantity(1e-30, Dimension::energy), "1e-30 J");
  EXPECT_EQ(format_quantity(123456, Dimension::frequency), "123.456 kHz");
}

TEST(Quantity, FormattedValuesAreReadBackBitForBit) {
  EXPECT_TRUE(rc::check("parse_quantity(format_quantity(x)) == x", [](std::uint64_t bits) {
    const double value = std::bit_cast<double>(bits);
    RC_PRE(std::isfinite(value));
    for (const Dimension dimension : dimensions) {
      const std::string text = format_quantity(value, dimension);
      const double again = quantity(text, dimension);
      RC_ASSERT(std::bit_cast<std::uint64_t>(again) == bits);
    }
  }));
  // Random bits are huge or tiny almost always: the same for the numbers that people write.
  EXPECT_TRUE(rc::check("for short decimals", [](std::int32_t mantissa) {
    const int exponent = *rc::gen::inRange(-25, 16);
    const double value = mantissa * std::pow(10.0, exponent);
    for (const Dimension dimension : dimensions) {
      RC_ASSERT(quantity(format_quantity(value, dimension), dimension) == value);
    }
  }));
}

// ---- the document ----

TEST(Config, ValuesAndPlaces) {
  const ConfigNode root = ConfigNode::parse(
      "laser:\n  wavelength: 1550 nm\nlist: [1, 2 nm]\nflag: true\ncount: 12\n", "a.yaml");
  EXPECT_TRUE(root.is_map());
  EXPECT_EQ(root.path(), "");
  const ConfigNode laser = root.child("laser");
  EXPECT_EQ(laser.path(), "laser");
  EXPECT_EQ(laser.child("wavelength").path(), "laser.wavelength");
  EXPECT_EQ(laser.child("wavelength").place(), "a.yaml:2:15");
  EXPECT_EQ(laser.number("wavelength", Dimension::length), 1550e-9);
  EXPECT_EQ(laser.number_or("absent", Dimension::length, 7), 7);
  ASSERT_EQ(root.child("list").items().size(), 2U);
  EXPECT_EQ(root.child("list").items()[1].place(), "a.yaml:3:11");
  EXPECT_EQ(root.child("list").items()[1].path(), "list[1]");
  EXPECT_TRUE(root.boolean_or("flag", false));
  EXPECT_EQ(root.integer("count"), 12);
  EXPECT_EQ(root.integer_or("absent", -3), -3);
  EXPECT_EQ(root.text("count"), "12");
  EXPECT_THAT(root.keys(), ElementsAre("laser", "list", "flag", "count"));
  root.finish();
}

TEST(Config, ValueWithUncertaintyAndSource) {
  const ConfigNode root = ConfigNode::parse(
      "c: {value: 10 pF, uncertainty: 1 pF, source: data sheet}\nbare: 1 pF\n", "a.yaml");
  EXPECT_EQ(root.number("c", Dimension::capacitance), 10e-12);
  EXPECT_EQ(root.child("c").source(), "data sheet");
  EXPECT_EQ(root.child("c").uncertainty(Dimension::capacitance), 1e-12);
  EXPECT_FALSE(root.child("bare").source());
  EXPECT_FALSE(root.child("bare").uncertainty(Dimension::capacitance));
  const auto refused = [](const std::string& text) {
    return message_of<ConfigError>(
        [&] { ConfigNode::parse(text, "a.yaml").number("c", Dimension::capacitance); });
  };
  EXPECT_THAT(refused("c: {value: 1 pF, uncertainty: -1 pF}"),
              AllOf(StartsWith("a.yaml:1:31: c.uncertainty: "), HasSubstr("is negative")));
  EXPECT_THAT(refused("c: {value: 1 pF, uncertainty: 1 nm}"), HasSubstr("is a length"));
  EXPECT_THAT(refused("c: {value: 1 pF, sorce: x}"),
              AllOf(StartsWith("a.yaml:1:18: unknown key \"sorce\""), HasSubstr("\"source\"?")));
  EXPECT_THAT(refused("c: {source: x}"), HasSubstr("a section stands where a value is expected"));
}

TEST(Config, ErrorsOfValuesCarryTheirPlace) {
  const ConfigNode root = ConfigNode::parse(
      "receiver:\n  capacitance: 10\n  kind: {a: b}\n  empty:\n  list: [1]\n  flag: yes\n  count: "
      "1.5\n",
      "dir/a.yaml");
  const ConfigNode node = root.child("receiver");
  EXPECT_EQ(message_of<ConfigError>([&] { node.number("capacitance", Dimension::capacitance); }),
            "dir/a.yaml:2:16: receiver.capacitance: \"10\" has no unit (a capacitance is expected "
            "here). Write for example \"10 pF\".");
  EXPECT_THAT(message_of<ConfigError>([&] { node.text("kind"); }),
              AllOf(StartsWith("dir/a.yaml:3:9: receiver.kind: "), HasSubstr("a section stands")));
  EXPECT_THAT(message_of<ConfigError>([&] { node.text("empty"); }),
              AllOf(StartsWith("dir/a.yaml:4:3: "), HasSubstr("receiver.empty: has no value")));
  EXPECT_THAT(message_of<ConfigError>([&] { node.text("list"); }),
              AllOf(StartsWith("dir/a.yaml:5:9: receiver.list: "), HasSubstr("is a list")));
  EXPECT_THAT(message_of<ConfigError>([&] { node.boolean_or("flag", true); }),
              AllOf(StartsWith("dir/a.yaml:6:9: "), HasSubstr("neither true nor false")));
  EXPECT_THAT(message_of<ConfigError>([&] { node.integer("count"); }),
              AllOf(StartsWith("dir/a.yaml:7:10: "), HasSubstr("\"1.5\" is not a whole number")));
  EXPECT_THAT(
      message_of<ConfigError>([&] { node.text("absent"); }),
      AllOf(StartsWith("dir/a.yaml:2:3: "), HasSubstr("key \"receiver.absent\" is missing")));
  EXPECT_THAT(message_of<ConfigError>([&] { node.child("count").child("x"); }),
              HasSubstr("\"receiver.count\" is a single value"));
  EXPECT_THAT(message_of<ConfigError>([&] { node.items(); }), HasSubstr("is not a list"));
  EXPECT_EQ(message_of<ConfigError>([&] { node.child("list").fail("wrong", "Do right"); }),
            "dir/a.yaml:5:9: wrong. Do right.");
  const ConfigNode large = ConfigNode::parse("n: 9223372036854775808", "a.yaml");
  EXPECT_THAT(message_of<ConfigError>([&] { large.integer("n"); }), HasSubstr("64 bits"));
}

TEST(Config, UnknownKeysAreRefusedWithTheNearest) {
  const ConfigNode root = ConfigNode::parse("a:\n  wavelenght: 1 nm\n", "a.yaml");
  const ConfigNode node = root.child("a");
  EXPECT_FALSE(node.has("wavelength"));
  EXPECT_FALSE(node.has("rin"));
  EXPECT_EQ(
      message_of<ConfigError>([&] { node.finish(); }),
      "a.yaml:2:3: unknown key \"wavelenght\" in \"a\" (it would have no effect). Did you mean "
      "\"wavelength\"? Known keys in \"a\": rin, wavelength.");
  root.finish();
}

TEST(Config, DuplicateKeys) {
  EXPECT_EQ(parse_error("a: 1\nb:\n  c: 1\n  c: 2\n"),
            "a.yaml:4:3: key \"c\" is given twice (first at a.yaml:3:3). Keep one of them.");
  EXPECT_THAT(parse_error("a: {x: 1, x: 2}"), StartsWith("a.yaml:1:11: key \"x\" is given twice"));
}

TEST(Config, WhatIsNotAConfiguration) {
  EXPECT_THAT(parse_error("a: &name 1\n"), AllOf(StartsWith("a.yaml:1:"), HasSubstr("anchor")));
  EXPECT_THAT(parse_error("a: *name\n"), AllOf(StartsWith("a.yaml:1:"), Not(HasSubstr("nothing"))));
  EXPECT_THAT(parse_error("a: &x [1]\nb: *x\n"), HasSubstr("anchor"));
  EXPECT_THAT(parse_error("a: !!int 1\n"), HasSubstr("tag"));
  EXPECT_THAT(parse_error("? [1, 2]\n: 3\n"), HasSubstr("is used as a key"));
  EXPECT_THAT(parse_error("\"\": 3\n"), HasSubstr("a key is empty"));
  EXPECT_THAT(parse_error("a: 1\n---\nb: 2\n"), HasSubstr("second YAML document"));
  EXPECT_THAT(parse_error("a: [1, 2\n"), HasSubstr("not valid YAML"));
  EXPECT_EQ(parse_error("a: 1\nb: \x01\n").substr(0, 36), "a.yaml:2:4: byte 0x01 is not text (a");
  EXPECT_THAT(parse_error("a: \xff\xfe\n"), StartsWith("a.yaml:1:4: byte 0xFF is not text"));
  EXPECT_THAT(parse_error("a: \xc0\xaf\n"), HasSubstr("byte 0xC0"));      // overlong
  EXPECT_THAT(parse_error("a: \xed\xa0\x80\n"), HasSubstr("byte 0xED"));  // surrogate
  EXPECT_THAT(parse_error(std::string("a: 1\0", 5)), HasSubstr("byte 0x00"));
}

TEST(Config, LimitsOfSizeAndDepth) {
  EXPECT_THAT(parse_error(std::string((1 << 20) + 1, '#')), HasSubstr("the limit is 1048576"));
  EXPECT_NO_THROW(ConfigNode::parse(std::string(1 << 20, '#'), "a.yaml"));
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_NO_THROW(ConfigNode::parse(nested(64), "a.yaml"));
  EXPECT_THAT(parse_error(nested(65)), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(parse_error(nested(10000)), HasSubstr("nested deeper than 64 levels"));
  std::string many = "[";
  for (int i = 0; i < 100'001; ++i) many += "1,";
  EXPECT_THAT(parse_error(many + "]"), HasSubstr("more than 100000 values"));
}

TEST(Config, EmptyDocumentIsAnEmptySection) {
  for (const char* text : {"", "\n", "# nothing\n", "~", "\xEF\xBB\xBF"}) {
    const ConfigNode root = ConfigNode::parse(text, "a.yaml");
    EXPECT_TRUE(root.is_map()) << text;
    EXPECT_TRUE(root.keys().empty()) << text;
    root.finish();
  }
}

TEST(Config, LoadNamesTheFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("a.yaml", "a: 1\n");
  EXPECT_EQ(ConfigNode::load(file).child("a").place(), file.string() + ":1:4");
  EXPECT_THAT(message_of<DataError>([&] { ConfigNode::load(folder.path() / "no.yaml"); }),
              HasSubstr("no.yaml: no such file"));
  EXPECT_THAT(message_of<DataError>([&] { ConfigNode::load(folder.path()); }),
              HasSubstr("is a directory"));
  EXPECT_THAT(message_of<ConfigError>([&] { ConfigNode::load("/dev/zero"); }),
              HasSubstr("the limit is 1048576"));
}

// ---- --set ----

TEST(ConfigSet, ReplacesAddsAndMakesSections) {
  ConfigNode root =
      ConfigNode::parse("receiver:\n  capacitance: {value: 10 pF, source: x}\n", "a.yaml");
  root.set("receiver.capacitance=1pF");
  root.set("receiver.kind=charge-integrator");
  root.set("data.mean=[1, 2, 3]");
  root.set("evaluation={images: 5}");
  root.set("text=a=b");
  root.set("nothing=");
  EXPECT_EQ(root.child("receiver").number("capacitance", Dimension::capacitance), 1e-12);
  EXPECT_FALSE(root.child("receiver").child("capacitance").source());
  EXPECT_EQ(root.child("receiver").text("kind"), "charge-integrator");
  ASSERT_EQ(root.child("data").child("mean").items().size(), 3U);
  EXPECT_EQ(root.child("data").child("mean").items()[2].path(), "data.mean[2]");
  EXPECT_EQ(root.child("evaluation").integer("images"), 5);
  EXPECT_EQ(root.text("text"), "a=b");
  EXPECT_THAT(message_of<ConfigError>([&] { root.text("nothing"); }), HasSubstr("has no value"));
  root.set("receiver.capacitance=2pF");
  EXPECT_EQ(root.child("receiver").number("capacitance", Dimension::capacitance), 2e-12);
}

TEST(ConfigSet, ErrorsNameTheAssignment) {
  ConfigNode root = ConfigNode::parse("a: 1\nl: [1]\n", "a.yaml");
  const auto refused = [&](const std::string& assignment) {
    return message_of<ConfigError>([&] { root.set(assignment); });
  };
  EXPECT_THAT(refused("a"), StartsWith("--set a: there is no \"=\""));
  EXPECT_THAT(refused("=1"), HasSubstr("is not a key"));
  EXPECT_THAT(refused("a..b=1"), HasSubstr("is not a key"));
  EXPECT_THAT(refused("a b=1"), HasSubstr("is not a key"));
  EXPECT_EQ(
      refused("a.b=1"),
      "--set a.b=1: \"a\" is a single value and has no key \"b\" (given at a.yaml:1:4). Set \"a\" "
      "as a whole.");
  EXPECT_THAT(refused("l.b=1"), HasSubstr("\"l\" is a list and has no key \"b\""));
  EXPECT_THAT(refused("x=[1}"), StartsWith("--set x=[1}: not valid YAML"));
  root.set("c=10");
  EXPECT_THAT(message_of<ConfigError>([&] { root.number("c", Dimension::capacitance); }),
              StartsWith("--set c=10: c: \"10\" has no unit"));
  root.set("typo=1");
  EXPECT_FALSE(root.has("type"));
  EXPECT_TRUE(root.has("a") && root.has("l") && root.has("c"));
  EXPECT_THAT(
      message_of<ConfigError>([&] { root.finish(); }),
      AllOf(StartsWith("--set typo=1: unknown key \"typo\""), HasSubstr("Did you mean \"type\"?")));
}

TEST(Config, DumpIsReadBackToTheSame) {
  const std::string text =
      "a: -155 dBc/Hz\nb: \"quoted: \\\"x\\\" \\\\ \\n \\t # no comment\"\nc: {value: 1 pF, "
      "source: \"a, b\"}\n"
      "d:\n  e: [1, [2, ~], {f: g}]\n  h:\n    i: '- x'\nj: {}\nk: []\nl: \"~\"\nm: \"\"\nn: "
      "null\no: '1'\n"
      "\"odd key: \": \"...\"\n";
  const ConfigNode root = ConfigNode::parse(text, "a.yaml");
  const std::string dumped = root.dump();
  const ConfigNode again = ConfigNode::parse(dumped, "dump");
  EXPECT_EQ(again.dump(), dumped);
  EXPECT_EQ(again.text("b"), "quoted: \"x\" \\ \n \t # no comment");
  EXPECT_EQ(again.text("l"), "~");
  EXPECT_EQ(again.text("m"), "");
  EXPECT_EQ(again.text("odd key: "), "...");
  EXPECT_EQ(again.child("c").source(), "a, b");
  EXPECT_EQ(again.keys(), root.keys());
}

TEST(Config, DumpOfAnyTextIsReadBack) {
  EXPECT_TRUE(rc::check("text survives dump and parse", [] {
    // Printable and control ASCII, which is what quoting is about.
    const auto letter = rc::gen::inRange<char>(1, 127);
    const auto text = *rc::gen::container<std::string>(letter);
    ConfigNode root;
    std::string escaped;
    for (const char c : text) {
      constexpr const char* hex = "0123456789ABCDEF";
      escaped += std::string("\\x") + hex[c / 16] + hex[c % 16];
    }
    root.set("key=\"" + escaped + "\"");
    RC_ASSERT(root.text("key") == text);
    RC_ASSERT(ConfigNode::parse(root.dump(), "dump").text("key") == text);
  }));
}

// ---- names ----

TEST(Names, Nearest) {
  const std::vector<std::string> known{"wavelength", "rin", "wall_plug_efficiency"};
  EXPECT_EQ(nearest_name("wavelenght", known), "wavelength");
  EXPECT_EQ(nearest_name("RIN", known), "rin");
  EXPECT_EQ(nearest_name("ron", known), "rin");
  EXPECT_EQ(nearest_name("capacitance", known), "");
  EXPECT_EQ(nearest_name("", known), "");
  EXPECT_EQ(nearest_name(std::string(1000, 'a'), known), "");
  EXPECT_EQ(nearest_name("rin", {}), "");
}

TEST(Names, ShownText) {
  EXPECT_EQ(shown_text("a\nb\x7f"), "a?b?");
  EXPECT_EQ(shown_text(std::string(60, 'x')), std::string(60, 'x'));
  EXPECT_EQ(shown_text(std::string(61, 'x')), std::string(60, 'x') + "...");
  // Never half a character: 59 bytes, then one of two bytes.
  EXPECT_EQ(shown_text(std::string(59, 'x') + "\u00B5\u00B5"), std::string(59, 'x') + "...");
  EXPECT_EQ(joined_names({}), "(none)");
  EXPECT_EQ(joined_names({"a", "b"}), "a, b");
}

}  // namespace
}  // namespace attojoule::data
