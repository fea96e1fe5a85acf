#include "tools/device_draws.hpp"

#include <fmt/format.h>

#include <algorithm>
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

std::string cell(double value, int digits) {
  return std::isfinite(value) ? significant(value, digits) : "-";
}

std::string fixed(double value, int decimals) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, decimals) : "-";
}

nlohmann::ordered_json number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json spread_json(const SpreadOverDevices& quantity, const DrawnDevices& drawn) {
  const network::DeviceSpread& s = quantity.spread;
  nlohmann::ordered_json json;
  json["calibrated"] = number(quantity.calibrated);
  json["mean"] = number(s.mean);
  json["u_calibration"] = number(s.device_u());
  json["u_calibration_interval95"] = {number(std::sqrt(s.device_variance_low)),
                                      number(std::sqrt(s.device_variance_high))};
  json["ci95_calibration"] = number(s.device_ci95());
  json["ci95_noise"] = number(s.noise_ci95());
  json["correlation"] = correlations_json(drawn, quantity.correlations);
  return json;
}

const char* held_text(HeldLight held) {
  return held == HeldLight::at_receiver ? "the light at the receivers is held"
                                        : "the laser's power is held";
}

const char* name_of_total = "total";

}  // namespace

DrawnDevices draw_devices(const Experiment& experiment) {
  return draw_devices(experiment.device_source, experiment.device_assignments,
                      static_cast<std::size_t>(experiment.device_draws), experiment.seed);
}

std::size_t DeviceDrawsReport::within_allowed_loss() const {
  const auto& means = accuracy.spread.device_means;
  return static_cast<std::size_t>(std::count_if(means.begin(), means.end(), [&](double mean) {
    return clean_accuracy - mean <= allowed_loss.value_or(1);
  }));
}

double DeviceDrawsReport::combined_ci95() const {
  return std::hypot(accuracy.spread.device_ci95(), accuracy.spread.noise_ci95(),
                    std::isnan(accuracy.spread.image_variance) ? 0 : accuracy.spread.image_ci95());
}

DeviceDrawsReport run_drawn_devices(Simulation& simulation,
                                    const std::vector<network::ProductOperatingPoint>& points,
                                    DrawnDevices drawn, const CalibratedValues& calibrated,
                                    const network::Progress& done) {
  const Experiment& experiment = simulation.experiment();
  DeviceDrawsReport report;
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
      drawn.ran.push_back(k);
    } catch (const ConfigError& error) {
      // A device with the calibration's own values has run these points: it is this one's values.
      if (drawn.why_not.empty()) drawn.why_not = error.what();
    }
  }
  drawn.require_two("run these operating points");
  const std::size_t devices = drawn.ran.size();
  report.accuracy = {"accuracy",
                     "1",
                     "accuracy under noise",
                     calibrated.accuracy,
                     network::accuracy_spread(outcomes, devices, simulation.noise_shared_by_pass()),
                     {}};
  report.photons = {"photons_per_mac",
                    "photon/MAC",
                    "photons per multiplication at the receivers, repetitions included",
                    calibrated.photons_per_mac,
                    network::value_spread(photons, devices),
                    {}};
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
  const auto correlate = [&drawn](SpreadOverDevices& quantity) {
    quantity.correlations = drawn.correlations(quantity.spread.device_means);
  };
  correlate(report.accuracy);
  correlate(report.photons);
  for (auto& quantity : report.energy) correlate(quantity);
  report.drawn = std::move(drawn);
  return report;
}

void print_device_draws(const DeviceDrawsReport& report, std::ostream& out) {
  const auto& calibration = report.drawn.calibration;
  print_drawn(report.drawn, out);
  out << held_text(report.held) << "\n\n";
  const SpreadOverDevices& total = report.energy.back();
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < calibration.parameters.size(); ++i) {
    const auto& p = calibration.parameters[i];
    rows.push_back({p.key, significant(p.value, 5),
                    significant(report.drawn.standard_uncertainty(i), 2), p.unit,
                    fixed(report.accuracy.correlations[i], 2), fixed(total.correlations[i], 2)});
  }
  out << format_table(
             {"calibrated parameter", "value", "u", "unit", "corr. accuracy", "corr. aJ/MAC"}, rows)
      << "\n";
  rows.clear();
  const auto add = [&rows](const SpreadOverDevices& quantity, const std::string& name, double scale,
                           int digits) {
    const auto& s = quantity.spread;
    // Rounding of sums that are the same on every device is no spread to show.
    const auto spread = [&](double value) {
      return cell(std::abs(value) < 1e-12 * std::abs(s.mean) ? 0 : scale * value, 2);
    };
    rows.push_back({name, cell(scale * quantity.calibrated, digits), cell(scale * s.mean, digits),
                    spread(s.device_u()),
                    fmt::format("{} to {}", spread(std::sqrt(s.device_variance_low)),
                                spread(std::sqrt(s.device_variance_high))),
                    spread(s.device_ci95()), spread(s.noise_ci95()), spread(s.image_ci95())});
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
  if (report.allowed_loss) {
    out << fmt::format("target    {} of {} devices lose no more than {:.2f} points\n",
                       report.within_allowed_loss(), report.drawn.ran.size(),
                       *report.allowed_loss * 100);
  }
  out << fmt::format("energy    {} aJ/MAC ± {} (calibration) in total\n",
                     significant(total.spread.mean, 4), cell(total.spread.device_ci95(), 2));
}

nlohmann::ordered_json device_draws_json(const DeviceDrawsReport& report) {
  const auto& calibration = report.drawn.calibration;
  nlohmann::ordered_json json = drawn_json(report.drawn);
  json["hold"] = to_string(report.held);
  auto& accuracy = json["accuracy"] = spread_json(report.accuracy, report.drawn);
  accuracy["ci95_images"] = number(report.accuracy.spread.image_ci95());
  accuracy["ci95_combined"] = number(report.combined_ci95());
  accuracy["resolved"] = report.accuracy.spread.resolved();
  if (report.allowed_loss) {
    json["allowed_loss"] = *report.allowed_loss;
    json["devices_within_allowed_loss"] = report.within_allowed_loss();
  }
  json["photons_per_mac"] = spread_json(report.photons, report.drawn);
  for (const auto& quantity : report.energy) {
    json["energy"][quantity.name]["attojoule_per_mac"] = spread_json(quantity, report.drawn);
  }
  json["draws"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < report.drawn.ran.size(); ++i) {
    nlohmann::ordered_json entry;
    for (std::size_t p = 0; p < calibration.parameters.size(); ++p) {
      entry["values"][calibration.parameters[p].key] =
          report.drawn.draws.values[report.drawn.ran[i]][p];
    }
    entry["accuracy"] = report.accuracy.spread.device_means[i];
    entry["photons_per_mac"] = report.photons.spread.device_means[i];
    entry["attojoule_per_mac"] = report.energy.back().spread.device_means[i];
    json["draws"].push_back(entry);
  }
  return json;
}

void write_device_draws(const DeviceDrawsReport& report, data::ResultWriter& writer) {
  const std::string group = "/calibration";
  const data::AxisPaths by_parameter{parameter_axis}, by_draw{draw_axis};
  write_drawn(report.drawn, writer);
  std::vector<double> seeds;
  for (int s = 0; s < report.accuracy.spread.seeds; ++s) {
    seeds.push_back(static_cast<double>(report.drawn.seed) + s);
  }
  writer.axis(group + "/seed", seeds, "1", "noise seed, the same for every device");
  writer.write(group + "/accuracy_by_seed", report.accuracy_by_seed, {draw_axis, group + "/seed"},
               "1", "accuracy of a device under one noise seed");
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
  writer.scalar(group + "/hold", std::string(to_string(report.held)),
                "where the light is held: receiver or laser");
  if (report.allowed_loss) {
    writer.scalar(group + "/allowed_loss", *report.allowed_loss, "1",
                  "accuracy that the learned operating point may lose");
    writer.scalar(group + "/devices_within_allowed_loss",
                  static_cast<double>(report.within_allowed_loss()), "1",
                  "drawn devices that lose no more");
  }
}

}  // namespace attojoule::tools
