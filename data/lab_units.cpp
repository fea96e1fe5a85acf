#include "data/lab_units.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <numbers>

namespace attojoule::data {
namespace {

using HalfPowers = std::array<int, lab_base_count>;

constexpr HalfPowers powers(std::initializer_list<std::pair<LabBase, int>> list) {
  HalfPowers result{};
  for (const auto& [base, power] : list) result[static_cast<std::size_t>(base)] = 2 * power;
  return result;
}

struct Symbol {
  std::string_view text;
  bool takes_prefix;
  double factor;
  HalfPowers half_powers;
};

constexpr auto hertz_powers = powers({{LabBase::second, -1}});
constexpr auto watt_powers = powers({{LabBase::volt, 1}, {LabBase::ampere, 1}});
constexpr auto ohm_powers = powers({{LabBase::volt, 1}, {LabBase::ampere, -1}});
constexpr auto siemens_powers = powers({{LabBase::volt, -1}, {LabBase::ampere, 1}});
constexpr auto joule_powers =
    powers({{LabBase::volt, 1}, {LabBase::ampere, 1}, {LabBase::second, 1}});
constexpr auto farad_powers =
    powers({{LabBase::volt, -1}, {LabBase::ampere, 1}, {LabBase::second, 1}});
constexpr auto coulomb_powers = powers({{LabBase::ampere, 1}, {LabBase::second, 1}});

const std::array symbols = {
    Symbol{"m", true, 1, powers({{LabBase::metre, 1}})},
    Symbol{"s", true, 1, powers({{LabBase::second, 1}})},
    Symbol{"A", true, 1, powers({{LabBase::ampere, 1}})},
    Symbol{"V", true, 1, powers({{LabBase::volt, 1}})},
    Symbol{"K", true, 1, powers({{LabBase::kelvin, 1}})},
    Symbol{"rad", true, 1, powers({{LabBase::radian, 1}})},
    Symbol{"Hz", true, 1, hertz_powers},
    Symbol{"W", true, 1, watt_powers},
    Symbol{"ohm", true, 1, ohm_powers},
    Symbol{"Ohm", true, 1, ohm_powers},
    Symbol{"\u03A9", true, 1, ohm_powers},
    Symbol{"\u2126", true, 1, ohm_powers},
    Symbol{"S", true, 1, siemens_powers},
    Symbol{"J", true, 1, joule_powers},
    Symbol{"F", true, 1, farad_powers},
    Symbol{"C", true, 1, coulomb_powers},
    Symbol{"DN", true, 1, powers({{LabBase::digital_number, 1}})},
    Symbol{"e-", true, 1, powers({{LabBase::electron, 1}})},
    Symbol{"photon", false, 1, powers({{LabBase::photon, 1}})},
    Symbol{"dB", false, 1, powers({{LabBase::decibel, 1}})},
    Symbol{"1", false, 1, {}},
    Symbol{"%", false, 1e-2, {}},
    Symbol{"ppm", false, 1e-6, {}},
    Symbol{"min", false, 60, powers({{LabBase::second, 1}})},
    Symbol{"h", false, 3600, powers({{LabBase::second, 1}})},
    Symbol{"deg", false, std::numbers::pi / 180, powers({{LabBase::radian, 1}})},
    Symbol{"\u00B0", false, std::numbers::pi / 180, powers({{LabBase::radian, 1}})},
    Symbol{"\u00C5", false, 1e-10, powers({{LabBase::metre, 1}})},
};

// Words and spellings of instruments, compared without case.
struct Alias {
  std::string_view text;
  std::string_view meaning;
};
constexpr std::array aliases = {
    Alias{"volt", "V"},
    Alias{"volts", "V"},
    Alias{"second", "s"},
    Alias{"seconds", "s"},
    Alias{"sec", "s"},
    Alias{"hertz", "Hz"},
    Alias{"hz", "Hz"},
    Alias{"khz", "kHz"},
    Alias{"mhz", "MHz"},
    Alias{"ghz", "GHz"},
    Alias{"thz", "THz"},
    Alias{"amp", "A"},
    Alias{"amps", "A"},
    Alias{"ampere", "A"},
    Alias{"amperes", "A"},
    Alias{"watt", "W"},
    Alias{"watts", "W"},
    Alias{"ohms", "ohm"},
    Alias{"meter", "m"},
    Alias{"metre", "m"},
    Alias{"micron", "um"},
    Alias{"adu", "DN"},
    Alias{"lsb", "DN"},
    Alias{"count", "DN"},
    Alias{"counts", "DN"},
    Alias{"electron", "e-"},
    Alias{"electrons", "e-"},
    Alias{"e", "e-"},
    Alias{"photons", "photon"},
    Alias{"ph", "photon"},
    Alias{"deg", "deg"},
    Alias{"degree", "deg"},
    Alias{"degrees", "deg"},
    Alias{"radian", "rad"},
    Alias{"radians", "rad"},
    Alias{"percent", "%"},
    Alias{"samplespersecond", "Hz"},
    Alias{"sa/s", "Hz"},
};

struct Prefix {
  std::string_view text;
  double factor;
};
constexpr std::array prefixes = {
    Prefix{"z", 1e-21}, Prefix{"a", 1e-18}, Prefix{"f", 1e-15},     Prefix{"p", 1e-12},
    Prefix{"n", 1e-9},  Prefix{"u", 1e-6},  Prefix{"\u00B5", 1e-6}, Prefix{"\u03BC", 1e-6},
    Prefix{"m", 1e-3},  Prefix{"c", 1e-2},  Prefix{"d", 1e-1},      Prefix{"k", 1e3},
    Prefix{"M", 1e6},   Prefix{"G", 1e9},   Prefix{"T", 1e12},
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::optional<LabUnit> find_symbol(std::string_view text) {
  for (const Symbol& symbol : symbols) {
    if (text == symbol.text) return LabUnit{symbol.factor, 0, symbol.half_powers};
  }
  for (const Symbol& symbol : symbols) {
    if (!symbol.takes_prefix || !text.ends_with(symbol.text)) continue;
    const std::string_view head = text.substr(0, text.size() - symbol.text.size());
    for (const Prefix& prefix : prefixes) {
      if (head == prefix.text) {
        return LabUnit{symbol.factor * prefix.factor, 0, symbol.half_powers};
      }
    }
  }
  const std::string word = lower(text);
  for (const Alias& alias : aliases) {
    if (word == alias.text) return find_symbol(alias.meaning);
  }
  return std::nullopt;
}

struct Level {
  std::string_view text;
  double per_decade;
  double reference;
  HalfPowers half_powers;
};

const std::array levels = {
    Level{"dB", 10, 1, {}},
    Level{"dBr", 10, 1, {}},
    Level{"dBc", 10, 1, {}},
    Level{"dBm", 10, 1e-3, watt_powers},
    Level{"dBW", 10, 1, watt_powers},
    Level{"dBm/Hz", 10, 1e-3, joule_powers},
    Level{"dBc/Hz", 10, 1, powers({{LabBase::second, 1}})},
    Level{"dB/Hz", 10, 1, powers({{LabBase::second, 1}})},
    Level{"dBV", 20, 1, powers({{LabBase::volt, 1}})},
    Level{"dBmV", 20, 1e-3, powers({{LabBase::volt, 1}})},
    Level{"dBuV", 20, 1e-6, powers({{LabBase::volt, 1}})},
    Level{"dB\u00B5V", 20, 1e-6, powers({{LabBase::volt, 1}})},
    Level{"dB\u03BCV", 20, 1e-6, powers({{LabBase::volt, 1}})},
    Level{"dBA", 20, 1, powers({{LabBase::ampere, 1}})},
    Level{"dBmA", 20, 1e-3, powers({{LabBase::ampere, 1}})},
    Level{"dBuA", 20, 1e-6, powers({{LabBase::ampere, 1}})},
    Level{"dBuV/m", 20, 1e-6, powers({{LabBase::volt, 1}, {LabBase::metre, -1}})},
    Level{"dBuVPerMeter", 20, 1e-6, powers({{LabBase::volt, 1}, {LabBase::metre, -1}})},
};

// Reads factor [^power] {(*|/| ) factor [^power]}.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::optional<LabUnit> product(int depth = 0) {
    LabUnit result;
    int sign = 1;
    for (bool first = true;; first = false) {
      skip_blanks();
      if (rest_.empty() || rest_.front() == ')') {
        if (first || pending_) return std::nullopt;
        return result;
      }
      const auto unit = factor(depth);
      if (!unit) return std::nullopt;
      if (!multiply(result, *unit, sign)) return std::nullopt;
      pending_ = false;
      skip_blanks();
      if (take("/")) {
        sign = -1;
        pending_ = true;
      } else if (take("*") || take("\u00B7") || take("\u22C5")) {
        sign = 1;
        pending_ = true;
      } else {
        // "V s" is a product, too; "1/V s" is ambiguous, so that a blank keeps the sign.
      }
    }
  }

  bool done() {
    skip_blanks();
    return rest_.empty();
  }

 private:
  static bool multiply(LabUnit& result, const LabUnit& unit, int sign) {
    result.factor *= sign > 0 ? unit.factor : 1 / unit.factor;
    for (std::size_t i = 0; i < result.half_powers.size(); ++i) {
      result.half_powers[i] += sign * unit.half_powers[i];
      if (std::abs(result.half_powers[i]) > 24) return false;
    }
    return std::isfinite(result.factor) && result.factor > 0;
  }

  static std::optional<LabUnit> root(const LabUnit& unit) {
    LabUnit result;
    result.factor = std::sqrt(unit.factor);
    for (std::size_t i = 0; i < result.half_powers.size(); ++i) {
      if (unit.half_powers[i] % 2 != 0) return std::nullopt;
      result.half_powers[i] = unit.half_powers[i] / 2;
    }
    return result;
  }

  std::optional<LabUnit> factor(int depth) {
    if (depth > 4) return std::nullopt;
    std::optional<LabUnit> unit;
    if (take("sqrt(") || take("\u221A(")) {
      unit = product(depth + 1);
      if (!unit || !take(")")) return std::nullopt;
      unit = root(*unit);
    } else if (take("\u221A") || take("rt")) {
      unit = symbol();
      if (unit) unit = root(*unit);
    } else if (take("(")) {
      unit = product(depth + 1);
      if (!unit || !take(")")) return std::nullopt;
    } else {
      unit = symbol();
    }
    if (!unit) return std::nullopt;
    int half_power = 2;
    if (take("\u00B2")) {
      half_power = 4;
    } else if (take("\u00B3")) {
      half_power = 6;
    } else if (take("^") || take("**")) {
      double power = 0;
      const auto parsed = std::from_chars(rest_.data(), rest_.data() + rest_.size(), power);
      if (parsed.ec != std::errc{} || !(std::abs(power) <= 6)) return std::nullopt;
      half_power = static_cast<int>(std::lround(2 * power));
      if (half_power != 2 * power) return std::nullopt;
      rest_.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest_.data()));
    }
    if (half_power == 2) return unit;
    LabUnit result;
    result.factor = std::pow(unit->factor, half_power / 2.0);
    for (std::size_t i = 0; i < result.half_powers.size(); ++i) {
      if (unit->half_powers[i] * half_power % 2 != 0) return std::nullopt;
      result.half_powers[i] = unit->half_powers[i] * half_power / 2;
    }
    return result;
  }

  std::optional<LabUnit> symbol() {
    std::size_t end = 0;
    while (end < rest_.size() && std::string_view(" \t/*^()").find(rest_[end]) == rest_.npos &&
           !rest_.substr(end).starts_with("\u00B2") && !rest_.substr(end).starts_with("\u00B3") &&
           !rest_.substr(end).starts_with("\u00B7") && !rest_.substr(end).starts_with("\u22C5")) {
      ++end;
    }
    const auto unit = find_symbol(rest_.substr(0, end));
    if (unit) rest_.remove_prefix(end);
    return unit;
  }

  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) {
      rest_.remove_prefix(1);
    }
  }

  std::string_view rest_;
  bool pending_ = false;  // an operator waits for its right-hand side
};

}  // namespace

std::optional<LabUnit> parse_lab_unit(std::string_view text) {
  const std::string_view body = trimmed(text);
  if (body.empty()) return LabUnit{};
  if (body.size() > 64) return std::nullopt;
  for (const Level& level : levels) {
    if (body == level.text) return LabUnit{level.reference, level.per_decade, level.half_powers};
  }
  // Instruments write levels in any case ("DBM").
  for (const Level& level : levels) {
    if (level.text.size() > 3 && lower(body) == lower(level.text) && level.text != "dBmV" &&
        level.text != "dBmA") {
      return LabUnit{level.reference, level.per_decade, level.half_powers};
    }
  }
  if (lower(body) == "dbm") return parse_lab_unit("dBm");
  if (lower(body) == "db") return parse_lab_unit("dB");
  if (const auto word = find_symbol(body); word && body != "dB") return word;
  Reader reader(body);
  auto unit = reader.product();
  if (!unit || !reader.done()) return std::nullopt;
  return unit;
}

bool same_dimension(const LabUnit& a, const LabUnit& b) {
  return a.half_powers == b.half_powers;
}

double convert(double value, const LabUnit& from, const LabUnit& to) {
  if (!from.is_level() && !to.is_level()) {
    return from.factor == to.factor ? value : value * (from.factor / to.factor);
  }
  if (from.is_level() && to.is_level() && from.per_decade == to.per_decade) {
    return value + from.per_decade * std::log10(from.factor / to.factor);
  }
  const double si =
      from.is_level() ? from.factor * std::pow(10.0, value / from.per_decade) : value * from.factor;
  if (!to.is_level()) return si / to.factor;
  if (!(si > 0)) return std::numeric_limits<double>::quiet_NaN();
  return to.per_decade * std::log10(si / to.factor);
}

std::string example_unit(const LabUnit& unit) {
  constexpr std::array candidates = {
      "mW",   "nm",  "ns",     "GHz",  "mV",         "mA",     "K",         "rad",
      "ohm",  "pF",  "pJ",     "DN",   "e-",         "photon", "1",         "A/W",
      "DN^2", "V^2", "V^2/Hz", "1/Hz", "A/sqrt(Hz)", "dB/cm",  "DN/photon", "DN/e-"};
  for (const char* candidate : candidates) {
    if (const auto parsed = parse_lab_unit(candidate); parsed && same_dimension(*parsed, unit)) {
      return candidate;
    }
  }
  return {};
}

}  // namespace attojoule::data
