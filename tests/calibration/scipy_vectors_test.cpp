// Every fitting kind against what scipy makes of the same data:
// tests/calibration/vectors/fits.json, written by fits.py beside it. Parameters agree to 1e-6,
// standard errors to 1e-4.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "calibration/common_mode.hpp"
#include "calibration/converter.hpp"
#include "calibration/frequency_response.hpp"
#include "calibration/intensity_noise.hpp"
#include "calibration/joint.hpp"
#include "calibration/joint_kinds.hpp"
#include "calibration/laser_linewidth.hpp"
#include "calibration/light_current.hpp"
#include "calibration/mach_zehnder_curve.hpp"
#include "calibration/nested_variance.hpp"
#include "calibration/nonlinearity.hpp"
#include "calibration/photon_transfer.hpp"
#include "calibration/propagation_loss.hpp"
#include "calibration/relaxation_oscillation.hpp"
#include "calibration/resonator.hpp"
#include "calibration/responsivity.hpp"
#include "calibration/shot_noise.hpp"
#include "calibration/visibility.hpp"

namespace attojoule::calibration {
namespace {

using nlohmann::json;

constexpr double parameter_bound = 1e-6, error_bound = 1e-4;

// What this program makes of a case: value and standard error by name, chi2 with its degrees of
// freedom where the kind has one.
struct Found {
  std::map<std::string, std::pair<double, double>> values;
  double chi2 = not_known, dof = not_known;

  void take(const CalibrationResult& result) {
    EXPECT_NE(result.verdict, Verdict::no_convergence);
    for (const Estimate& e : result.parameters) values[e.name] = {e.value, e.u_a};
    chi2 = result.chi2;
    dof = result.dof;
  }
  void take(const Fit& fit) {
    for (std::size_t k = 0; k < fit.values.size(); ++k) {
      values[fit.parameters[k].name] = {fit.values[k], fit.standard_error(k)};
    }
    chi2 = fit.chi2;
    dof = fit.dof;
  }
};

struct Case {
  const json& entry;
  std::vector<double> data(const char* name) const {
    return entry["data"].contains(name) ? entry["data"][name].get<std::vector<double>>()
                                        : std::vector<double>{};
  }
  double option(const char* name) const { return entry["options"].value(name, 0.0); }
  bool has(const char* name) const { return entry["options"].contains(name); }
  std::string text(const char* name) const { return entry["options"].value(name, std::string()); }
  CurveData curve() const {
    CurveData curve;
    curve.x = data("x");
    curve.y = data("y");
    curve.relative = option("relative");
    curve.floor = option("floor");
    return curve;
  }
};

Found of_responsivity(const Case& in) {
  ResponsivityData data;
  data.curve = in.curve();
  data.saturation = in.has("saturation");
  Found found;
  found.take(calibrate_responsivity(data));
  return found;
}

Found of_shot_noise(const Case& in) {
  ShotNoiseData data;
  data.light = in.data("x");
  data.noise = in.data("y");
  data.nu = in.data("nu");
  ShotNoiseOptions options;
  if (data.nu.empty()) options.convention = SigmaConvention::scale;
  Found found;
  found.take(calibrate_shot_noise(data, options));
  return found;
}

Found of_photon_transfer(const Case& in) {
  PhotonTransferData data;
  data.photons = in.data("photons");
  data.mean_dn = in.data("mean");
  data.variance_dn2 = in.data("variance");
  data.dark_variance_dn2 = in.data("dark_variance");
  data.dark_mean_dn.assign(data.mean_dn.size(), 0);
  data.pixels = in.option("pixels");
  Found found;
  found.take(calibrate_photon_transfer(data, PtcMethod::weighted, false));
  return found;
}

Found of_loss(const Case& in) {
  CutbackData data;
  data.length_cm = in.data("x");
  data.transmission_db = in.data("y");
  data.sigma_db = in.data("sigma");
  Found found;
  found.take(calibrate_propagation_loss(data));
  return found;
}

Found of_light_current(const Case& in) {
  LightCurrentData data;
  data.current_a = in.data("x");
  data.power_w = in.data("y");
  Found found;
  found.take(calibrate_light_current(data));
  return found;
}

Found of_common_mode(const Case& in) {
  CommonModeData data;
  data.frequency_hz = in.data("frequency");
  data.both = in.data("both");
  data.reference.assign(data.both.size(), 1);
  data.sigma_db = in.option("sigma_db");
  Found found;
  found.take(calibrate_common_mode(data));
  return found;
}

Found of_visibility(const Case& in) {
  VisibilityData data;
  data.curve = in.curve();
  Found found;
  found.take(calibrate_visibility(data));
  return found;
}

Found of_mach_zehnder(const Case& in) {
  MachZehnderData data;
  data.curve = in.curve();
  data.input_power = in.option("input_power");
  data.floor = 0;
  data.curved_phase = in.has("curved_phase");
  Found found;
  found.take(calibrate_mach_zehnder(data));
  return found;
}

Found of_ring(const Case& in) {
  ResonatorData data;
  data.curve = in.curve();
  for (const double offset : in.data("offset")) {
    data.curve.x.push_back(in.option("centre") + offset);
  }
  Found found;
  found.take(calibrate_resonator(data));
  const auto [frequency, error] = found.values.at("frequency");
  found.values["offset"] = {frequency - in.option("centre"), error};
  return found;
}

Found of_intensity_noise(const Case& in) {
  IntensityNoiseData data;
  data.frequency_hz = in.data("frequency");
  data.noise_w_per_hz = in.data("noise");
  data.thermal_w_per_hz = in.data("thermal");
  data.photocurrent_a = in.option("photocurrent");
  data.dc_power_w = in.option("dc_power");
  data.relative_scatter = in.option("relative_scatter");
  data.relaxation = in.has("relaxation");
  Found found;
  found.take(calibrate_intensity_noise(data));
  return found;
}

Found of_relaxation_oscillation(const Case& in) {
  RelaxationData data;
  const auto current = in.data("current"), f = in.data("frequency"), g = in.data("damping"),
             sf = in.data("u_frequency"), sg = in.data("u_damping"), r = in.data("correlation");
  for (std::size_t i = 0; i < current.size(); ++i) {
    data.points.push_back({current[i], f[i], g[i], sf[i], sg[i], r[i], ""});
  }
  Found found;
  found.take(calibrate_relaxation_oscillation(data));
  return found;
}

Found of_linewidth(const Case& in) {
  const std::map<std::string, LineModel> models{{"frequency_noise", LineModel::frequency_noise},
                                                {"lorentz", LineModel::lorentz},
                                                {"voigt", LineModel::voigt},
                                                {"short_delay", LineModel::short_delay}};
  LinewidthData data;
  data.curve = in.curve();
  data.model = models.at(in.text("model"));
  if (in.has("delay")) data.delay_s = in.option("delay");
  Found found;
  found.take(calibrate_linewidth(data));
  if (in.has("centre")) {
    const auto [centre, error] = found.values.at("centre");
    found.values["offset"] = {centre - in.option("centre"), error};
  }
  return found;
}

Found of_frequency_response(const Case& in) {
  Found found;
  for (const LowPass model : {LowPass::one_pole, LowPass::two_poles, LowPass::complex_pair,
                              LowPass::complex_pair_and_pole}) {
    if (name_of(model) == in.entry["case"]) {
      found.take(fit_low_pass(in.data("x"), in.data("y"), model, 5e8));
    }
  }
  return found;
}

Found of_converter(const Case& in) {
  const SineFit fit = fit_sine(in.data("y"), 0);
  EXPECT_TRUE(fit.converged);
  Found found;
  found.values = {{"offset", {fit.offset, fit.offset_error}},
                  {"omega", {fit.omega, fit.omega_error}},
                  {"amplitude", {fit.amplitude, fit.amplitude_error}},
                  {"a", {fit.a, not_known}},
                  {"b", {fit.b, not_known}}};
  return found;
}

Found of_nonlinearity(const Case& in) {
  Found found;
  for (const CurveModel model : curve_models) {
    if (name_of(model) == in.entry["case"]) {
      found.take(fit_curve(0, in.data("x"), in.data("y"), model).fit);
    }
  }
  return found;
}

Found of_weights(const Case& in) {
  const NestedVariance table =
      nested_variance(in.data("target"), in.data("write"), in.data("value"));
  Found found;
  found.values = {{"ms_read", {table.ms_read, not_known}},
                  {"ms_write", {table.ms_write, not_known}},
                  {"read_variance", {table.read_variance, not_known}},
                  {"write_variance", {table.write_variance, not_known}}};
  return found;
}

const JointKind& joint_kind(const std::string& name) {
  for (const JointKind& kind : joint_kinds()) {
    if (kind.name == name) return kind;
  }
  throw std::out_of_range(name);
}

Found of_joint(const Case& in) {
  JointProblem problem;
  problem.parameters = {{.name = "responsivity", .unit = "A/W"},
                        {.name = "transresistance", .unit = "ohm"},
                        {.name = "power_scale", .given = 1.0, .u = 0.02}};
  JointMeasurement current, monitor;
  current.name = "current";
  current.columns = {{joint_kind("responsivity").columns[0].symbol, in.data("power")}};
  current.y = in.data("current");
  current.relative = 0.003;
  add_measurement(problem, joint_kind("responsivity"), current, {});
  monitor.name = "monitor";
  monitor.columns = {{joint_kind("monitor").columns[0].symbol, in.data("power")}};
  monitor.y = in.data("voltage");
  monitor.floor = 0.5e-3;
  add_measurement(problem, joint_kind("monitor"), monitor, {});
  guess_starts(problem);
  const CalibrationResult result = calibrate_joint(problem);
  Found found;
  found.take(result);
  for (const Estimate& e : result.parameters) found.values[e.name].second = e.combined();
  return found;
}

Found find(const Case& in) {
  const std::map<std::string, Found (*)(const Case&)> kinds{
      {"responsivity", of_responsivity},
      {"shot-noise", of_shot_noise},
      {"ptc", of_photon_transfer},
      {"loss", of_loss},
      {"li", of_light_current},
      {"cmrr", of_common_mode},
      {"visibility", of_visibility},
      {"mzm", of_mach_zehnder},
      {"ring", of_ring},
      {"rin", of_intensity_noise},
      {"relaxation oscillation", of_relaxation_oscillation},
      {"linewidth", of_linewidth},
      {"s21", of_frequency_response},
      {"adc", of_converter},
      {"nonlinearity", of_nonlinearity},
      {"weights", of_weights},
      {"joint", of_joint}};
  return kinds.at(in.entry["kind"])(in);
}

// Of all cases that are stored.
std::size_t disagreements(const json& cases, bool report) {
  std::size_t count = 0;
  for (const json& entry : cases) {
    const Found found = find({entry});
    for (const auto& [name, pair] : entry["expected"].items()) {
      const double value = pair[0], error = pair[1];
      const auto at = found.values.find(name);
      const bool there = at != found.values.end();
      const bool same =
          there && std::abs(at->second.first - value) <= parameter_bound * std::abs(value);
      const bool same_error = there && (!std::isfinite(at->second.second) ||
                                        std::abs(at->second.second / error - 1) <= error_bound);
      if (same && same_error) continue;
      ++count;
      if (!report) continue;
      ADD_FAILURE() << entry["kind"] << ", " << entry["case"] << ": " << name << " is "
                    << (there ? at->second.first : not_known) << " +- "
                    << (there ? at->second.second : not_known) << ", scipy has " << value << " +- "
                    << error;
    }
  }
  return count;
}

json vectors() {
  std::ifstream file(std::string(ATTOJOULE_SOURCE_DIR) + "/tests/calibration/vectors/fits.json");
  return json::parse(file);
}

TEST(ScipyVectors, every_kind_finds_what_scipy_finds) {
  const json cases = vectors();
  std::set<std::string> kinds;
  for (const json& entry : cases) kinds.insert(entry["kind"]);
  EXPECT_EQ(kinds.size(), 17U);
  EXPECT_EQ(disagreements(cases, true), 0U);
}

// A parameter that is off by twice the bound is found, every one of them.
TEST(ScipyVectors, small_deviations_do_not_pass) {
  json cases = vectors();
  std::size_t count = 0;
  for (json& entry : cases) {
    for (auto& [name, pair] : entry["expected"].items()) {
      pair[0] = pair[0].get<double>() * (1 + 2 * parameter_bound);
      ++count;
    }
  }
  EXPECT_EQ(disagreements(cases, false), count);
}

}  // namespace
}  // namespace attojoule::calibration
