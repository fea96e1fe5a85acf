// Numbers with units, in both directions: parse_quantity and format_quantity of data/config.hpp.
//
// SI prefixes and % are applied to the decimal exponent of the text before it is converted, so
// that "1550 nm" is exactly the double 1550e-9 and a formatted value is read back bit for bit.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <numbers>
#include <system_error>

#include "data/config.hpp"
#include "data/names.hpp"
#include "photonics/error.hpp"

namespace attojoule::data {
namespace {

enum class Scale { decimal, decibel_milliwatt, decibel_per_hertz, degree };

struct Unit {
  std::string_view symbol;
  Dimension dimension;
  bool takes_prefix;
  int exponent = 0;  // of the unit itself, power of ten
  Scale scale = Scale::decimal;
};

constexpr std::array units = {
    Unit{"", Dimension::none, false},
    Unit{"%", Dimension::none, false, -2},
    Unit{"m", Dimension::length, true},
    Unit{"cm", Dimension::length, false, -2},
    Unit{"W", Dimension::power, true},
    Unit{"dBm", Dimension::power, false, 0, Scale::decibel_milliwatt},
    Unit{"s", Dimension::time, true},
    Unit{"Hz", Dimension::frequency, true},
    Unit{"K", Dimension::temperature, true},
    Unit{"V", Dimension::voltage, true},
    Unit{"A", Dimension::current, true},
    Unit{"ohm", Dimension::resistance, true},
    Unit{"\u03A9", Dimension::resistance, true},  // Greek capital omega
    Unit{"\u2126", Dimension::resistance, true},  // ohm sign
    Unit{"F", Dimension::capacitance, true},
    Unit{"J", Dimension::energy, true},
    Unit{"dB", Dimension::ratio_db, false},
    Unit{"1/Hz", Dimension::relative_intensity_noise, false},
    Unit{"dBc/Hz", Dimension::relative_intensity_noise, false, 0, Scale::decibel_per_hertz},
    Unit{"dB/Hz", Dimension::relative_intensity_noise, false, 0, Scale::decibel_per_hertz},
    Unit{"A/W", Dimension::responsivity, true},
    Unit{"W/A", Dimension::slope_efficiency, true},
    Unit{"V/sqrt(Hz)", Dimension::voltage_noise_density, true},
    Unit{"V/\u221AHz", Dimension::voltage_noise_density, true},  // root sign
    Unit{"V/rtHz", Dimension::voltage_noise_density, true},
    Unit{"A/sqrt(Hz)", Dimension::current_noise_density, true},
    Unit{"A/\u221AHz", Dimension::current_noise_density, true},
    Unit{"A/rtHz", Dimension::current_noise_density, true},
    Unit{"rad", Dimension::angle, true},
    Unit{"deg", Dimension::angle, false, 0, Scale::degree},
    Unit{"\u00B0", Dimension::angle, false, 0, Scale::degree},
};

struct Prefix {
  std::string_view symbol;
  int exponent;
};

constexpr std::array prefixes = {
    Prefix{"z", -21},     Prefix{"a", -18},     Prefix{"f", -15}, Prefix{"p", -12}, Prefix{"n", -9},
    Prefix{"u", -6},      Prefix{"\u00B5", -6},  // micro sign
    Prefix{"\u03BC", -6},                        // Greek small mu
    Prefix{"m", -3},      Prefix{"k", 3},       Prefix{"M", 6},   Prefix{"G", 9},   Prefix{"T", 12},
};

struct DimensionName {
  Dimension dimension;
  std::string_view name;     // with its article
  std::string_view example;  // unit to write
  std::string_view accepted;
};

constexpr std::array dimension_names = {
    DimensionName{Dimension::none, "a plain number", "", "no unit, or %"},
    DimensionName{Dimension::length, "a length", "nm", "m with an SI prefix, cm"},
    DimensionName{Dimension::power, "a power", "mW", "W with an SI prefix, dBm"},
    DimensionName{Dimension::time, "a time", "ns", "s with an SI prefix"},
    DimensionName{Dimension::frequency, "a frequency", "GHz", "Hz with an SI prefix"},
    DimensionName{Dimension::temperature, "a temperature", "K", "K with an SI prefix"},
    DimensionName{Dimension::voltage, "a voltage", "V", "V with an SI prefix"},
    DimensionName{Dimension::current, "a current", "nA", "A with an SI prefix"},
    DimensionName{Dimension::resistance, "a resistance", "ohm", "ohm with an SI prefix"},
    DimensionName{Dimension::capacitance, "a capacitance", "pF", "F with an SI prefix"},
    DimensionName{Dimension::energy, "an energy", "pJ", "J with an SI prefix"},
    DimensionName{Dimension::ratio_db, "a power ratio in decibels", "dB", "dB"},
    DimensionName{Dimension::relative_intensity_noise, "a relative intensity noise", "dBc/Hz",
                  "dBc/Hz, 1/Hz"},
    DimensionName{Dimension::responsivity, "a responsivity", "A/W", "A/W with an SI prefix"},
    DimensionName{Dimension::slope_efficiency, "a slope efficiency", "W/A",
                  "W/A with an SI prefix"},
    DimensionName{Dimension::voltage_noise_density, "a voltage noise density", "nV/sqrt(Hz)",
                  "V/sqrt(Hz) with an SI prefix"},
    DimensionName{Dimension::current_noise_density, "a current noise density", "pA/sqrt(Hz)",
                  "A/sqrt(Hz) with an SI prefix"},
    DimensionName{Dimension::angle, "an angle", "rad", "rad with an SI prefix, deg"},
};

const DimensionName& describe(Dimension dimension) {
  for (const DimensionName& entry : dimension_names) {
    if (entry.dimension == dimension) return entry;
  }
  throw std::logic_error("a dimension without a description");
}

struct UnitMatch {
  const Unit* unit;
  int exponent;
};

std::optional<UnitMatch> find_unit(std::string_view symbol) {
  for (const Unit& unit : units) {
    if (symbol == unit.symbol) return UnitMatch{&unit, unit.exponent};
  }
  for (const Unit& unit : units) {
    if (!unit.takes_prefix || !symbol.ends_with(unit.symbol)) continue;
    const std::string_view head = symbol.substr(0, symbol.size() - unit.symbol.size());
    for (const Prefix& prefix : prefixes) {
      if (head == prefix.symbol) return UnitMatch{&unit, unit.exponent + prefix.exponent};
    }
  }
  return std::nullopt;
}

// Units of one dimension as a user may write them, for "did you mean".
std::vector<std::string> spellings(Dimension dimension) {
  std::vector<std::string> all;
  for (const Unit& unit : units) {
    if (unit.dimension != dimension) continue;
    all.emplace_back(unit.symbol);
    if (!unit.takes_prefix) continue;
    for (const Prefix& prefix : prefixes) {
      all.push_back(std::string(prefix.symbol) + std::string(unit.symbol));
    }
  }
  return all;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

[[noreturn]] void refuse(const std::string& place, const std::string& problem,
                         const std::string& remedy) {
  throw ConfigError(place + ": " + problem + ". " + remedy + ".");
}

std::string joined(std::string_view number, std::string_view unit) {
  return unit.empty() ? std::string(number) : fmt::format("{} {}", number, unit);
}

// The number `digits` (decimal text that from_chars accepts) times 10^shift, correctly rounded;
// nullopt outside the range of a double.
std::optional<double> scaled(std::string_view digits, int shift) {
  const std::size_t mark = digits.find_first_of("eE");
  std::string text(digits.substr(0, mark));
  long long exponent = shift;
  if (mark != std::string_view::npos) {
    std::string_view tail = digits.substr(mark + 1);
    if (tail.starts_with('+')) tail.remove_prefix(1);
    int written = 0;
    const auto parsed = std::from_chars(tail.data(), tail.data() + tail.size(), written);
    if (parsed.ec != std::errc{}) return std::nullopt;
    exponent += written;
  }
  text += 'e';
  text += std::to_string(exponent);
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || !std::isfinite(value)) return std::nullopt;
  return value;
}

// Shortest decimal digits of a finite value and their exponent: value = digits[0].digits[1…] e exp.
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;
};

Decimal decimal(double value) {
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  Decimal result;
  result.negative = text.starts_with('-');
  if (result.negative) text.remove_prefix(1);
  const std::size_t mark = text.find('e');
  for (const char c : text.substr(0, mark)) {
    if (c != '.') result.digits += c;
  }
  std::string_view tail = text.substr(mark + 1);
  if (tail.starts_with('+')) tail.remove_prefix(1);
  std::from_chars(tail.data(), tail.data() + tail.size(), result.exponent);
  return result;
}

// Digits with the decimal point behind the first `whole` of them.
std::string with_point(const Decimal& number, int whole) {
  std::string text = number.digits;
  const auto position = static_cast<std::size_t>(whole);
  if (text.size() < position) text.append(position - text.size(), '0');
  if (text.size() > position) text.insert(position, 1, '.');
  return number.negative ? "-" + text : text;
}

// Value in the unit `symbol` with the prefix that leaves one to three digits before the point.
std::string engineering(double value, std::string_view symbol) {
  const Decimal number = decimal(value);
  if (value == 0) return fmt::format("{} {}", number.negative ? "-0" : "0", symbol);
  const int step = static_cast<int>(std::floor(number.exponent / 3.0)) * 3;
  if (step == 0) return fmt::format("{} {}", with_point(number, number.exponent + 1), symbol);
  for (const Prefix& prefix : prefixes) {
    if (prefix.exponent != step) continue;
    return fmt::format("{} {}{}", with_point(number, number.exponent - step + 1), prefix.symbol,
                       symbol);
  }
  return fmt::format("{}e{} {}", with_point(number, 1), number.exponent, symbol);
}

std::string plain(double value) {
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end.ptr};
}

}  // namespace

double parse_quantity(std::string_view text, Dimension dimension, const std::string& place) {
  const DimensionName& wanted = describe(dimension);
  const std::string_view body = trimmed(text);
  const std::string offending = shown_text(body);
  const std::string expected = fmt::format("{} is expected here", wanted.name);
  const auto example = [&](std::string_view number) {
    return fmt::format("Write for example \"{}\"", joined(number, wanted.example));
  };

  std::string_view digits = body;
  if (digits.starts_with('+') && !digits.substr(1).starts_with('-')) digits.remove_prefix(1);
  double value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const auto used = static_cast<std::size_t>(parsed.ptr - digits.data());
  if (parsed.ec == std::errc::invalid_argument) {
    refuse(place, fmt::format("\"{}\" does not start with a number ({})", offending, expected),
           example("1"));
  }
  // from_chars also reads "inf" and "nan", in any case.
  const bool has_digit =
      digits.substr(0, used).find_first_of("0123456789") != std::string_view::npos;
  if (!has_digit) {
    refuse(place, fmt::format("\"{}\" is not finite ({})", offending, expected), example("1"));
  }
  if (parsed.ec == std::errc::result_out_of_range) {
    refuse(place, fmt::format("\"{}\" is outside the range of a double ({})", offending, expected),
           "Write a number between 1e-307 and 1e308, or 0");
  }

  const std::string_view number = digits.substr(0, used);
  const std::string_view symbol = trimmed(digits.substr(used));
  const std::string shown_number = shown_text(number);
  const std::optional<UnitMatch> match = find_unit(symbol);
  if (!match) {
    if (symbol.starts_with(',')) {
      refuse(
          place,
          fmt::format("\"{}\" has a decimal comma (numbers are written with a point)", offending),
          example("1.5"));
    }
    const std::string nearest = nearest_name(symbol, spellings(dimension));
    const std::string hint =
        nearest.empty() ? "" : fmt::format("Did you mean \"{}\"? ", joined(shown_number, nearest));
    refuse(
        place,
        fmt::format("unknown unit \"{}\" in \"{}\" ({})", shown_text(symbol), offending, expected),
        fmt::format("{}Known units here: {}", hint, wanted.accepted));
  }
  const Unit& unit = *match->unit;
  if (unit.dimension != dimension) {
    if (symbol.empty()) {
      refuse(place, fmt::format("\"{}\" has no unit ({})", offending, expected),
             example(shown_number));
    }
    refuse(place,
           fmt::format("\"{}\" is {} ({})", offending, describe(unit.dimension).name, expected),
           fmt::format("{}. Known units here: {}", example("1"), wanted.accepted));
  }

  std::optional<double> result = scaled(number, match->exponent);
  if (value == 0) result = value;
  if (result) {
    switch (unit.scale) {
      case Scale::decimal:
        break;
      case Scale::decibel_milliwatt:
        result = std::pow(10, (*result - 30) / 10);
        break;
      case Scale::decibel_per_hertz:
        result = std::pow(10, *result / 10);
        break;
      case Scale::degree:
        result = *result * std::numbers::pi / 180;
        break;
    }
  }
  if (!result || !std::isfinite(*result)) {
    refuse(place, fmt::format("\"{}\" is outside the range of a double ({})", offending, expected),
           "Check the number and the prefix of its unit");
  }
  return *result;
}

std::string format_quantity(double value, Dimension dimension) {
  if (!std::isfinite(value)) {
    throw std::logic_error(
        fmt::format("{} that is not finite has no text", describe(dimension).name));
  }
  for (const Unit& unit : units) {
    if (unit.dimension != dimension) continue;
    // The first unit of a dimension is its SI unit.
    if (unit.takes_prefix) return engineering(value, unit.symbol);
    return joined(plain(value), unit.symbol);
  }
  throw std::logic_error("a dimension without a unit");
}

std::string dimension_name(Dimension dimension) {
  return std::string(describe(dimension).name);
}

}  // namespace attojoule::data
