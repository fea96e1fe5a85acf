// Parts with a price and a citation: data/components, one file a family.
//
//   adc, dac             energy of a conversion: of a published converter at its own bits, or by
//                        Walden's law E = fom 2^bits within the bits that its survey covers
//   modulator            energy of a symbol, power
//   receiver             energy of a read, power
//   laser                wall-plug efficiency
//   memory, digital      energy of a byte, of an addition
//   digital_mac, optical_demonstration    energy of a MAC: reference lines, no part of a device
//
// A device names one in its section (`adc: {component: walden-65nm, bits: 8}`); device_file.hpp.
// Every value is cited and says whether it was measured, modelled or claimed. Outside of the bits
// that are cited a price is an error unless `extrapolate: true` asks for it.
// Tests: tests/data/component_library_test.cpp.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/config.hpp"

namespace attojoule::data {

enum class Basis { measured, modelled, claimed };
const char* to_string(Basis basis);

// A design of a survey.
struct SurveyPoint {
  double sample_rate_hz = 0;
  double energy_j = 0;
  double bits = 0;  // effective
};

struct ComponentValue {
  std::string key;  // of the device file's section, or energy_per_mac
  double value = 0;
  Dimension dimension = Dimension::none;
};

struct Component {
  std::string name, family, description, node, citation;
  std::string note;    // what a comparison has to know; may be empty
  std::string counts;  // of references: arithmetic, chip, light_detected, total
  int year = 0;
  Basis basis = Basis::modelled;
  std::vector<ComponentValue> values;
  // Converters: bits that the citation covers (equal for one published design), and for Walden's
  // law the figure of merit with the designs that it is the median of.
  double bits_low = 0, bits_high = 0;
  double fom_j = 0;  // J per conversion step; 0 = a published converter
  std::vector<SurveyPoint> points;

  double value(const std::string& key) const;  // 0 if the component has none
};

class ComponentLibrary {
 public:
  // The files that the program ships.
  static const ComponentLibrary& shipped();
  // All *.yaml of a folder. ConfigError with file:line:column for unknown keys, missing citations,
  // values that no device could have, ranges that the survey's designs do not cover; DataError
  // where a file cannot be read.
  static ComponentLibrary load(const std::filesystem::path& folder);

  const std::vector<Component>& components() const { return components_; }  // by family and name
  std::vector<const Component*> family(const std::string& name) const;
  // nullptr if there is none of this name in the family.
  const Component* find(const std::string& family, const std::string& name) const;

 private:
  std::vector<Component> components_;
};

// Energy of one conversion at these effective bits. Throws ConfigError at `place` where the bits
// are outside of what the component's citation covers and `extrapolate` is false.
double conversion_energy_j(const Component& converter, double bits, bool extrapolate,
                           const ConfigNode& place);

// Names the component and where its price came from: for a device's origins.
std::string origin_of(const Component& component);

}  // namespace attojoule::data
