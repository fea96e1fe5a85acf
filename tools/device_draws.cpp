#include "tools/device_draws.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "photonics/error.hpp"
#include "photonics/link.hpp"
#include "tools/text_table.hpp"

namespace attojoule::tools {
namespace {

using network::EnergyComponent;

// Photons at the receivers for the light that a laser set for `set_for` sends to `device`.
double light_ratio(const photonics::Device& device, const photonics::Device& set_for) {
  return photonics::path_transmission(device.link) / photonics::path_transmission(set_for.link) *
         device.laser.wavelength_m / set_for.laser.wavelength_m;
}

std::vector<double> column(const data::DeviceDraws& draws, const std::vector<std::size_t>& ran,
                           std::size_t parameter) {
  std::vector<double> values;
  for (const std::size_t k : ran) values.push_back(draws.values[k][parameter]);
  return values;
}

void correlate(SpreadOverDevices& quantity, const DeviceDrawsReport& report) {
  const std::size_t parameters = report.drawn.calibration.parameters.size();
  for (std::size_t p = 0; p < parameters; ++p) {
    quantity.correlations.push_back(network::correlation(
        quantity.spread.device_means, column(report.drawn.draws, report.ran, p)));
  }
}

std::string cell(double value, int digits) {
  return std::isfinite(value) ? significant(value, digits) : "-";
}

std::string fixed(double value, int decimals) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, decimals) : "-";
}

nlohmann::ordered_json number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json spread_json(const SpreadOverDevices& quantity,
                                   const std::vector<data::DeviceCalibration::Parameter>& names) {
  const network::DeviceSpread& s = quantity.spread;
  nlohmann::ordered_json json;
  json["calibrated"] = number(quantity.calibrated);
  json["mean"] = number(s.mean);
  json["u_calibration"] = number(s.device_u());
  json["u_calibration_interval95"] = {number(std::sqrt(s.device_variance_low)),
                                      number(std::sqrt(s.device_variance_high))};
  json["ci95_calibration"] = number(s.device_ci95());
  json["ci95_noise"] = number(s.noise_ci95());
  for (std::size_t i = 0; i < names.size(); ++i) {
    json["correlation"][names[i].key] = number(quantity.correlations[i]);
  }
  return json;
}

double standard_uncertainty(const data::DeviceCalibration& calibration, std::size_t i) {
  return std::sqrt(calibration.covariance[i * calibration.parameters.size() + i]);
}

const char* held_text(HeldLight held) {
  return held == HeldLight::at_receiver ? "the light at the receivers is held"
                                        : "the laser's power is held";
}

const char* name_of_total = "total";

}  // namespace

DrawnDevices draw_devices(const Experiment& experiment) {
  DrawnDevices drawn;
  drawn.seed = experiment.seed;
  drawn.calibration = data::load_calibration(experiment.device_source);
  drawn.draws = data::draw_devices(experiment.device_source, experiment.device_assignments,
                                   static_cast<std::size_t>(experiment.device_draws), drawn.seed);
  return drawn;
}

double DeviceDrawsReport::combined_ci95() const {
  return std::hypot(accuracy.spread.device_ci95(), accuracy.spread.noise_ci95(),
                    std::isnan(accuracy.spread.image_variance) ? 0 : accuracy.spread.image_ci95());
}

DeviceDrawsReport run_drawn_devices(Simulation& simulation,
                                    const std::vector<network::ProductOperatingPoint>& points,
                                    const DrawnDevices& drawn, const CalibratedValues& calibrated,
                                    const network::Progress& done) {
  const Experiment& experiment = simulation.experiment();
  DeviceDrawsReport report;
  report.drawn = drawn;
  report.held = experiment.held_light;
  report.images = simulation.images();
  report.clean_accuracy = calibrated.clean_accuracy;
  std::vector<std::vector<std::uint8_t>> outcomes;
  std::vector<double> photons;
  std::vector<std::vector<double>> energy(network::energy_component_count + 1);
  const auto images = static_cast<double>(report.images);
  const std::int64_t work = report.images * experiment.seeds;
  for (std::size_t k = 0; k < drawn.draws.devices.size(); ++k) {
    const photonics::Device& device = drawn.draws.devices[k];
    network::NoiseRequest request = simulation.noise_request();
    request.points = points;
    if (report.held == HeldLight::at_laser) {
      const double ratio = light_ratio(device, experiment.device);
      for (auto& product : request.points) {
        for (auto& point : product) point.photons_per_mac *= ratio;
      }
    }
    const std::int64_t before = static_cast<std::int64_t>(k) * work;
    try {
      const auto noise = network::plan_noise(device, simulation.program(), request);
      const auto passes = simulation.passes_under(noise, report.images, experiment.seeds, false,
                                                  [&](std::int64_t in_device) {
                                                    if (done) done(before + in_device);
                                                  });
      std::vector<network::EnergyLedger> ledgers;
      for (const auto& pass : passes) {
        ledgers.push_back(
            network::account_energy(device, simulation.program(), noise, pass.totals, images));
      }
      for (const auto& ledger : ledgers) {
        for (const auto component : network::energy_components) {
          energy[static_cast<std::size_t>(component)].push_back(
              ledger.attojoule_per_mac(component));
        }
        energy.back().push_back(ledger.total_attojoule_per_mac());
      }
      for (const auto& pass : passes) {
        report.accuracy_by_seed.push_back(pass.accuracy());
        outcomes.push_back(pass.correct);
      }
      photons.insert(
          photons.end(), passes.size(),
          mean_photons_per_mac(simulation.program(), request.points, simulation.digital()));
      report.ran.push_back(k);
    } catch (const ConfigError& error) {
      // A device with the calibration's own values has run these points: it is this one's values.
      if (report.why_not.empty()) report.why_not = error.what();
    }
  }
  if (report.ran.size() < 2) {
    throw ConfigError(fmt::format(
        "evaluation.device_draws: {} of {} devices cannot run these operating points ({}). Choose "
        "points that leave the calibration's uncertainty a margin.",
        report.cannot_run(), drawn.draws.devices.size(), report.why_not));
  }
  const std::size_t devices = report.ran.size();
  report.accuracy = {"accuracy",
                     "1",
                     "accuracy under noise",
                     calibrated.accuracy,
                     network::accuracy_spread(outcomes, devices, simulation.noise_shared_by_pass()),
                     {}};
  correlate(report.accuracy, report);
  report.photons = {"photons_per_mac",
                    "photon/MAC",
                    "photons per multiplication at the receivers, repetitions included",
                    calibrated.photons_per_mac,
                    network::value_spread(photons, devices),
                    {}};
  correlate(report.photons, report);
  for (const auto component : network::energy_components) {
    report.energy.push_back(
        {network::to_string(component),
         "aJ",
         "energy per MAC",
         calibrated.energy.attojoule_per_mac(component),
         network::value_spread(energy[static_cast<std::size_t>(component)], devices),
         {}});
  }
  report.energy.push_back({name_of_total,
                           "aJ",
                           "energy per MAC, each joule once",
                           calibrated.energy.total_attojoule_per_mac(),
                           network::value_spread(energy.back(), devices),
                           {}});
  for (auto& quantity : report.energy) correlate(quantity, report);
  return report;
}

void print_device_draws(const DeviceDrawsReport& report, std::ostream& out) {
  const auto& calibration = report.drawn.calibration;
  out << fmt::format(
      "\n{} devices drawn from the calibration, {} draws outside of physics refused; "
      "{}\n",
      report.drawn.draws.devices.size(), report.drawn.draws.refused, held_text(report.held));
  if (report.cannot_run() > 0) {
    out << fmt::format("{} of them cannot run these points and are left out: {}\n",
                       report.cannot_run(), report.why_not);
  }
  const SpreadOverDevices& total = report.energy.back();
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < calibration.parameters.size(); ++i) {
    const auto& p = calibration.parameters[i];
    rows.push_back({p.key, significant(p.value, 5),
                    significant(standard_uncertainty(calibration, i), 2), p.unit,
                    fixed(report.accuracy.correlations[i], 2), fixed(total.correlations[i], 2)});
  }
  out << format_table(
             {"calibrated parameter", "value", "u", "unit", "corr. accuracy", "corr. aJ/MAC"}, rows)
      << "\n";
  rows.clear();
  const auto add = [&rows](const SpreadOverDevices& quantity, const std::string& name, double scale,
                           int digits) {
    const auto& s = quantity.spread;
    rows.push_back({name, cell(scale * quantity.calibrated, digits), cell(scale * s.mean, digits),
                    cell(scale * s.device_u(), 2),
                    fmt::format("{} to {}", cell(scale * std::sqrt(s.device_variance_low), 2),
                                cell(scale * std::sqrt(s.device_variance_high), 2)),
                    cell(scale * s.device_ci95(), 2), cell(scale * s.noise_ci95(), 2),
                    cell(scale * s.image_ci95(), 2)});
  };
  add(report.accuracy, "accuracy %", 100, 5);
  add(report.photons, "photons/MAC", 1, 4);
  for (const auto& quantity : report.energy) {
    if (quantity.spread.mean == 0) continue;  // not described by the device
    add(quantity, quantity.name + " aJ/MAC", 1, 4);
  }
  out << format_table({"over the devices", "calibrated", "mean", "u calibration", "its 95 %",
                       "calibration ±", "noise ±", "images ±"},
                      rows);
  const auto& accuracy = report.accuracy.spread;
  out << fmt::format(
      "\naccuracy  {:.2f} % ± {:.2f} (calibration) ± {:.2f} (noise) ± {:.2f} (images), 95 % each; "
      "together ± {:.2f}\n",
      accuracy.mean * 100, accuracy.device_ci95() * 100, accuracy.noise_ci95() * 100,
      accuracy.image_ci95() * 100, report.combined_ci95() * 100);
  if (!accuracy.resolved()) {
    out << fmt::format(
        "          the devices' accuracies differ by no more than noise makes them (u calibration "
        "up to {:.2f} %)\n",
        std::sqrt(accuracy.device_variance_high) * 100);
  }
  out << fmt::format("energy    {} aJ/MAC ± {} (calibration) in total\n",
                     significant(total.spread.mean, 4), cell(total.spread.device_ci95(), 2));
}

nlohmann::ordered_json device_draws_json(const DeviceDrawsReport& report) {
  const auto& calibration = report.drawn.calibration;
  nlohmann::ordered_json json;
  json["devices"] = report.drawn.draws.devices.size();
  json["refused"] = report.drawn.draws.refused;
  json["cannot_run"] = report.cannot_run();
  if (report.cannot_run() > 0) json["cannot_run_because"] = report.why_not;
  json["hold"] = to_string(report.held);
  json["source"] = calibration.source;
  for (std::size_t i = 0; i < calibration.parameters.size(); ++i) {
    const auto& p = calibration.parameters[i];
    json["parameters"].push_back({{"key", p.key},
                                  {"unit", p.unit},
                                  {"value", p.value},
                                  {"u", standard_uncertainty(calibration, i)},
                                  {"u_a", p.u_a},
                                  {"u_b", p.u_b}});
  }
  auto& accuracy = json["accuracy"] = spread_json(report.accuracy, calibration.parameters);
  accuracy["ci95_images"] = number(report.accuracy.spread.image_ci95());
  accuracy["ci95_combined"] = number(report.combined_ci95());
  accuracy["resolved"] = report.accuracy.spread.resolved();
  json["photons_per_mac"] = spread_json(report.photons, calibration.parameters);
  for (const auto& quantity : report.energy) {
    json["energy"][quantity.name]["attojoule_per_mac"] =
        spread_json(quantity, calibration.parameters);
  }
  json["draws"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < report.ran.size(); ++i) {
    nlohmann::ordered_json entry;
    for (std::size_t p = 0; p < calibration.parameters.size(); ++p) {
      entry["values"][calibration.parameters[p].key] = report.drawn.draws.values[report.ran[i]][p];
    }
    entry["accuracy"] = report.accuracy.spread.device_means[i];
    entry["photons_per_mac"] = report.photons.spread.device_means[i];
    entry["attojoule_per_mac"] = report.energy.back().spread.device_means[i];
    json["draws"].push_back(entry);
  }
  return json;
}

void write_device_draws(const DeviceDrawsReport& report, data::ResultWriter& writer) {
  const auto& calibration = report.drawn.calibration;
  const std::string group = "/calibration";
  std::vector<double> index, seeds, value, u, u_a, u_b, value_covariance = calibration.covariance;
  std::vector<std::string> keys, units;
  for (const std::size_t k : report.ran) index.push_back(static_cast<double>(k));
  for (int s = 0; s < report.accuracy.spread.seeds; ++s) {
    seeds.push_back(static_cast<double>(report.drawn.seed) + s);
  }
  for (std::size_t i = 0; i < calibration.parameters.size(); ++i) {
    const auto& p = calibration.parameters[i];
    keys.push_back(p.key);
    units.push_back(p.unit);
    value.push_back(p.value);
    u.push_back(standard_uncertainty(calibration, i));
    u_a.push_back(p.u_a);
    u_b.push_back(p.u_b);
  }
  writer.axis(group + "/draw", index, "1", "number of the drawn device");
  writer.axis(group + "/seed", seeds, "1", "noise seed, the same for every device");
  writer.axis(group + "/parameter", keys, "key of the device file");
  const data::AxisPaths by_parameter{group + "/parameter"}, by_draw{group + "/draw"};
  writer.write(group + "/unit", units, by_parameter, "unit of the parameter");
  writer.write(group + "/value", value, by_parameter, "1",
               "calibrated value, in the parameter's unit");
  writer.write(group + "/u", u, by_parameter, "1", "standard uncertainty, in the parameter's unit");
  writer.write(group + "/u_a", u_a, by_parameter, "1", "its part of type A");
  writer.write(group + "/u_b", u_b, by_parameter, "1", "its part of type B");
  writer.axis(group + "/parameter_2", keys, "key of the device file");
  writer.write(group + "/covariance", value_covariance,
               {group + "/parameter", group + "/parameter_2"}, "1",
               "covariance that devices are drawn from, in the parameters' units");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    writer.write(group + "/drawn/" + keys[i], column(report.drawn.draws, report.ran, i), by_draw,
                 units[i], "drawn value of " + keys[i]);
  }
  writer.write(group + "/accuracy_by_seed", report.accuracy_by_seed,
               {group + "/draw", group + "/seed"}, "1",
               "accuracy of a device under one noise seed");
  const auto write_spread = [&](const SpreadOverDevices& q, const std::string& path) {
    writer.write(path + "/by_device", q.spread.device_means, by_draw, q.unit,
                 q.long_name + ", mean over noise seeds");
    writer.scalar(path + "/calibrated", q.calibrated, q.unit,
                  q.long_name + ", at the calibrated values");
    writer.scalar(path + "/mean", q.spread.mean, q.unit, q.long_name + ", mean over devices");
    writer.scalar(path + "/u_calibration", q.spread.device_u(), q.unit,
                  "standard deviation between devices, noise taken off");
    writer.scalar(path + "/u_calibration_low", std::sqrt(q.spread.device_variance_low), q.unit,
                  "lower end of its 95 % interval");
    writer.scalar(path + "/u_calibration_high", std::sqrt(q.spread.device_variance_high), q.unit,
                  "upper end of its 95 % interval");
    writer.scalar(path + "/ci95_calibration", q.spread.device_ci95(), q.unit,
                  "half width of 95 % of the devices around the mean");
    writer.scalar(path + "/ci95_noise", q.spread.noise_ci95(), q.unit,
                  "half width of the mean's 95 % interval over the noise");
    writer.write(path + "/correlation", q.correlations, by_parameter, "1",
                 "correlation with the drawn values");
  };
  write_spread(report.accuracy, group + "/accuracy");
  writer.scalar(group + "/accuracy/ci95_images", report.accuracy.spread.image_ci95(), "1",
                "half width of the mean's 95 % interval over the choice of images");
  writer.scalar(group + "/accuracy/ci95_combined", report.combined_ci95(), "1",
                "half width of 95 %: calibration, noise and images");
  writer.scalar(group + "/accuracy/clean", report.clean_accuracy, "1", "accuracy without noise");
  write_spread(report.photons, group + "/photons_per_mac");
  for (const auto& quantity : report.energy) {
    write_spread(quantity, group + "/attojoule_per_mac/" + quantity.name);
  }
  writer.scalar(group + "/refused", static_cast<double>(report.drawn.draws.refused), "1",
                "draws outside of physics, drawn anew");
  writer.scalar(group + "/cannot_run", static_cast<double>(report.cannot_run()), "1",
                "drawn devices that cannot run these points, left out");
  writer.scalar(group + "/hold", std::string(to_string(report.held)),
                "where the light is held: receiver or laser");
  writer.scalar(group + "/source", calibration.source, "where the calibration comes from");
}

}  // namespace attojoule::tools
