// The ledger and its analysis through `map`, `device` and `run`: every model of $ATTOJOULE_DATA,
// sums, and what the program refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "data/paths.hpp"
#include "data/result_file.hpp"
#include "tests/support/assets.hpp"
#include "tests/support/command_line.hpp"

namespace attojoule::tests {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class EnergyVerbs : public CommandLine {
 protected:
  static std::string shipped(const std::string& model) {
    return (data::data_directory() / "models" / model).string();
  }
  json parse(const std::vector<std::string>& words) {
    const Outcome outcome = run_command(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out);
  }
};

constexpr std::array components{
    "optical_detected", "optical_facet", "laser_wall_plug", "modulator", "dac",
    "receiver",         "adc",           "digital",         "memory",    "static"};

bool in_total(const std::string& component) {
  return component != "optical_detected" && component != "optical_facet";
}

// Sum over layers = total = sum over components, to 1e-12.
void expect_sums(const json& result, const std::string& what) {
  double over_components = 0, over_layers = 0;
  for (const std::string component : components) {
    double sum = 0;
    for (const auto& layer : result["layers"]) {
      sum += layer["joule_per_inference"][component].get<double>();
    }
    const double stated = result["energy"][component]["joule_per_inference"];
    EXPECT_NEAR(sum, stated, 1e-12 * stated) << what << " " << component;
    if (!in_total(component)) continue;
    over_components += stated;
    over_layers += sum;
  }
  const double total = result["energy"]["total"]["joule_per_inference"];
  EXPECT_GT(total, 0) << what;
  EXPECT_NEAR(over_components, total, 1e-12 * total) << what;
  EXPECT_NEAR(over_layers, total, 1e-12 * total) << what;
  const double fixed = result["energy"]["total"]["static_joule_per_inference"];
  const double moving = result["energy"]["total"]["dynamic_joule_per_inference"];
  EXPECT_NEAR(fixed + moving, total, 1e-12 * total) << what;
  EXPECT_NEAR(result["energy"]["average_power_w"].get<double>() *
                  result["energy"]["latency_s"].get<double>(),
              total, 1e-12 * total)
      << what;
}

struct Model {
  const char* file;
  std::vector<std::string> shapes;
};

TEST_F(EnergyVerbs, sums_of_every_model_on_three_presets) {
  const std::vector<Model> models{{"resnet20_cifar10", {}},
                                  {"resnet56_cifar10", {}},
                                  {"mobilenet_v2_1.0_224_imagenet", {"1x3x224x224"}},
                                  {"efficientnet_lite0_imagenet", {}},
                                  {"onn_qat_mlp_mnist", {}},
                                  {"tiny_sentiment_sst2", {"1x64", "1x64"}},
                                  {"minilm6_sst2", {"1x64", "1x64"}}};
  for (const Model& model : models) {
    ATTOJOULE_ASSET(path, std::string("models/") + model.file + ".onnx");
    for (const std::string preset :
         {"ideal-shot-noise", "free-space-homodyne", "homodyne-with-electronics"}) {
      std::vector<std::string> words{"map", path.string(), "--device", preset, "--json"};
      for (const auto& shape : model.shapes) words.insert(words.end(), {"--shape", shape});
      const json result = parse(words);
      expect_sums(result, std::string(model.file) + " on " + preset);
      // Photons at the receivers: 10 a multiplication.
      const double photon = 6.62607015e-34 * 299792458.0 / 1550e-9;
      const double efficiency = preset == "ideal-shot-noise" ? 1 : 0.9;
      const double light = 10 * result["macs"].get<double>() * photon * efficiency;
      EXPECT_NEAR(result["energy"]["optical_detected"]["joule_per_inference"].get<double>(), light,
                  1e-12 * light);
    }
  }
}

TEST_F(EnergyVerbs, map_says_what_dominates_and_what_would_lower_it) {
  const std::string model = "fashion_cnn.onnx";
  const std::vector<std::string> words{"map", shipped("fashion_cnn.onnx"), "--device",
                                       "homodyne-with-electronics"};
  const Outcome text = run_command(words);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("What dominates each layer"), HasSubstr("average power"),
                              HasSubstr("What would lower it"), HasSubstr("landauer-int8"),
                              HasSubstr("standard-quantum-limit"), HasSubstr("> total here")));
  auto more = words;
  more.insert(more.end(), {"--json", "--out", path("m.h5")});
  const json result = parse(more);
  expect_sums(result, model);
  EXPECT_EQ(result["energy"]["not_billed"], json::array());
  std::map<std::string, double> slopes;
  for (const auto& entry : result["energy"]["sensitivity"]) {
    slopes[entry["parameter"]] = entry["slope_at_fixed_point"];
  }
  const auto share = [&](const char* component) {
    return result["energy"][component]["joule_per_inference"].get<double>() /
           result["energy"]["total"]["joule_per_inference"].get<double>();
  };
  EXPECT_NEAR(slopes["adc.energy_per_conversion"], share("adc"), 1e-12);
  EXPECT_NEAR(slopes["memory.energy_per_byte"], share("memory"), 1e-12);
  EXPECT_NEAR(slopes["link.coupling_loss"], share("laser_wall_plug") * std::log(10.0) / 10, 1e-12);
  EXPECT_EQ(result["energy"]["layers"].size(), result["layers"].size());
  for (const auto& layer : result["energy"]["layers"]) {
    EXPECT_EQ(layer["crossovers"].size(), 4u);
    EXPECT_GT(layer["dominant_share"], 0.2);
  }
  std::map<std::string, data::ResultSummary::Entry> entries;
  for (auto& entry : data::read_result_summary(path("m.h5")).entries) entries[entry.path] = entry;
  for (const char* name :
       {"/energy/adc/joule_per_inference", "/energy/adc/static_joule_per_inference",
        "/energy/latency", "/energy/average_power", "/energy/sensitivity/slope_at_fixed_noise",
        "/energy/references/citation", "/energy/crossovers/above_becomes",
        "/layers/dominant_component", "/layers/memory_joule_per_inference",
        "/layers/full_scale_photons", "/layers/detected_photons"}) {
    EXPECT_TRUE(entries.contains(name)) << name;
  }
}

TEST_F(EnergyVerbs, device_bills_a_tile_in_full_use) {
  const json result = parse({"device", "homodyne-with-electronics", "--trials", "10", "--json"});
  const json& energy = result["energy"];
  double sum = 0;
  for (const std::string component : components) {
    if (in_total(component)) sum += energy[component]["joule_per_inference"].get<double>();
  }
  EXPECT_NEAR(energy["total"]["joule_per_inference"].get<double>(), sum, 1e-12 * sum);
  // 64 x 64 outputs, each read once.
  EXPECT_NEAR(energy["adc"]["joule_per_inference"].get<double>(), 4096 * 21.01e-15 * 256, 1e-20);
  EXPECT_EQ(energy["layers"][0]["name"], "tile");
  EXPECT_GT(energy["references"].size(), 10u);
}

TEST_F(EnergyVerbs, nonsense_is_refused_with_place_value_and_remedy) {
  const auto refused = [&](const std::string& assignment) {
    const Outcome outcome = run_command({"map", shipped("fashion_cnn.onnx"), "--device",
                                         "homodyne-with-electronics", "--set", assignment});
    EXPECT_EQ(outcome.code, 2) << assignment;
    EXPECT_EQ(outcome.out, "") << assignment;
    return outcome.err;
  };
  EXPECT_THAT(refused("laser.wall_plug_efficiency=1.5"), HasSubstr("outside (0, 1]"));
  EXPECT_THAT(refused("detector.quantum_efficiency=2"), HasSubstr("outside (0, 1]"));
  EXPECT_THAT(refused("link.coupling_loss=-3dB"), AllOf(HasSubstr("-3"), HasSubstr("coupling")));
  EXPECT_THAT(refused("adc.bits=16"),
              AllOf(HasSubstr("16 bits"), HasSubstr("covers"), HasSubstr("extrapolate")));
  EXPECT_THAT(refused("laser.maximum_power=1nW"),
              AllOf(HasSubstr("laser.maximum_power"), HasSubstr("dB are missing"),
                    HasSubstr("tile.fan_out")));
}

}  // namespace
}  // namespace attojoule::tests
