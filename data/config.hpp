// Strict reading of YAML: unit strings, unknown keys refused, every error with its place.
//
// What is accepted is less than YAML allows: one document of UTF-8 text of at most 1 MiB, 64 levels
// and 100,000 nodes, no duplicate keys, no anchors, aliases or tags. Formats for users:
// docs/files.md. Tests: tests/data/config_test.cpp, tests/fuzz/config_fuzz.cpp.
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
  none,                      // 1 (a bare number, or %)
  length,                    // m
  power,                     // W (accepts dBm)
  time,                      // s
  frequency,                 // Hz
  temperature,               // K
  voltage,                   // V
  current,                   // A
  resistance,                // ohm
  capacitance,               // F
  energy,                    // J
  ratio_db,                  // dB
  relative_intensity_noise,  // 1/Hz (accepts dBc/Hz)
  responsivity,              // A/W
  slope_efficiency,          // W/A
  voltage_noise_density,     // V/sqrt(Hz)
  current_noise_density,     // A/sqrt(Hz)
  angle,                     // rad (accepts deg)
};

// One node of a configuration document. A section remembers which keys were asked for; finish()
// refuses the others, so that a misspelt key can never be ignored.
//
// Copies refer to the same node: set() on one is seen by all, and asking for a key counts for all.
// Not thread-safe, not even its const functions (they remember what was asked).
class ConfigNode {
 public:
  ConfigNode();  // an empty section, to be filled by set()

  // The document's root; `place` names it in errors (a path, or "--set"). An empty document is an
  // empty section. ConfigError for everything that this header says is refused.
  static ConfigNode parse(const std::string& text, const std::string& place);
  // DataError if the file cannot be read, ConfigError as parse().
  static ConfigNode load(const std::filesystem::path& file);

  // Sets a dotted key from text parsed as YAML, as --set does: "receiver.capacitance=1pF",
  // "data.mean=[1, 2, 3]". Sections are made as needed; what stood there before is replaced whole.
  // ConfigError if there is no "=", a part of the key is empty, or a part of the key but its last
  // is a value or list in the document.
  void set(const std::string& assignment);

  // Asking for a key in any way makes it a known one for finish().
  bool has(const std::string& key) const;
  bool is_map() const;
  bool is_sequence() const;
  bool is_scalar() const;
  ConfigNode child(const std::string& key) const;  // ConfigError if absent
  std::vector<ConfigNode> items() const;           // of a sequence; ConfigError if it is none
  std::vector<std::string> keys() const;           // of a section, in the document's order
  std::string place() const;                       // "file.yaml:3:5", line and column from 1
  std::string path() const;                        // dotted key from the root; "" for the root

  // A scalar with its unit ("10 pF"), or a map {value, uncertainty, source} whose value is one.
  // Result in the dimension's SI unit; ConfigError otherwise.
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
  std::optional<double> uncertainty(Dimension dimension) const;  // likewise, >= 0

  // ConfigError naming place, key, the nearest known key and all known ones.
  void finish() const;
  // Throws ConfigError at this node's place.
  [[noreturn]] void fail(const std::string& problem, const std::string& remedy) const;

  // YAML of this node that parse() reads back to the same tree (places excepted).
  std::string dump() const;

 private:
  struct Impl;
  explicit ConfigNode(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

// "10 pF" -> 1e-11 for Dimension::capacitance; ConfigError at `place` otherwise.
double parse_quantity(std::string_view text, Dimension dimension, const std::string& place);
// 1e-11 -> "10 pF" (SI prefix where one fits): text that parse_quantity reads back bit for bit.
// value finite; RIN as 1/Hz, angles in rad.
std::string format_quantity(double value, Dimension dimension);
// "a capacitance", as error messages call it.
std::string dimension_name(Dimension dimension);

}  // namespace attojoule::data
