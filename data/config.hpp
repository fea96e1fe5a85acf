// Strict reading of YAML: unit strings, unknown keys refused, every error with its place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attojoule::data {

// Dimension of a value in a configuration file; the SI unit that number() returns stands behind it.
enum class Dimension {
  none,         // 1 (a bare number, or %)
  length,       // m
  power,        // W (accepts dBm)
  time,         // s
  frequency,    // Hz
  temperature,  // K
  voltage,      // V
  current,      // A
  resistance,   // ohm
  capacitance,  // F
  energy,       // J
  ratio_db,     // dB
  relative_intensity_noise,  // 1/Hz (accepts dBc/Hz)
  responsivity,  // A/W
  angle,        // rad (accepts deg)
};

// One node of a configuration document. A section remembers which keys were asked for; finish()
// refuses the others, so that a misspelt key can never be ignored.
class ConfigNode {
 public:
  // The document's root; `place` names it in errors (a path, or "--set").
  static ConfigNode parse(const std::string& text, const std::string& place);
  static ConfigNode load(const std::filesystem::path& file);

  // Sets a dotted key ("receiver.capacitance") from text, parsed as YAML, as --set does.
  void set(const std::string& assignment);

  bool has(const std::string& key) const;
  bool is_map() const;
  bool is_sequence() const;
  bool is_scalar() const;
  ConfigNode child(const std::string& key) const;  // ConfigError if absent
  std::vector<ConfigNode> items() const;           // of a sequence
  std::string place() const;                       // "file.yaml:3:5"

  // A scalar with its unit ("10 pF"), or a map {value, uncertainty, source} whose value is one.
  double number(Dimension dimension) const;
  double number(const std::string& key, Dimension dimension) const;
  double number_or(const std::string& key, Dimension dimension, double fallback) const;
  std::int64_t integer(const std::string& key) const;
  std::int64_t integer_or(const std::string& key, std::int64_t fallback) const;
  std::string text() const;
  std::string text(const std::string& key) const;
  std::string text_or(const std::string& key, const std::string& fallback) const;
  bool boolean_or(const std::string& key, bool fallback) const;
  std::optional<std::string> source() const;  // citation of a {value, source} map

  // ConfigError naming place, key, the nearest known key and all known ones.
  void finish() const;
  // Throws ConfigError at this node's place.
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const;

  std::string dump() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// "10 pF" -> 1e-11 for Dimension::capacitance; ConfigError at `place` otherwise.
double parse_quantity(std::string_view text, Dimension dimension, const std::string& place);

}  // namespace attojoule::data
