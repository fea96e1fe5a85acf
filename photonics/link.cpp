#include "photonics/link.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "photonics/error.hpp"
#include "photonics/units.hpp"

namespace attojoule::photonics {

double path_transmission(const Link& link) {
  const double loss_db = link.coupling_loss_db + link.propagation_loss_db +
                         link.modulator_insertion_loss_db + link.splitting_excess_loss_db +
                         link.detector_coupling_loss_db;
  return std::pow(10.0, -loss_db / 10.0);
}

LinkBudget link_budget(const Device& device, const OperatingPoint& point, const DotProduct& product,
                       const EncodedData& data) {
  validate(device);
  if (!(point.photons_per_mac > 0 && std::isfinite(point.photons_per_mac)) || product.length < 1) {
    throw ConfigError(fmt::format(
        "link budget: {} photons per multiplication and {} multiplications (there is no light to "
        "follow). Give positive numbers.",
        point.photons_per_mac, product.length));
  }
  for (const double square : {data.mean_square_x, data.mean_square_w}) {
    if (!(square > 0 && square <= 1)) {
      throw ConfigError(fmt::format(
          "link budget: a mean square of the encoded values of {} (values lie between -1 and 1 of "
          "full scale). Give a number above 0 and at most 1.",
          square));
    }
  }
  const Receiver& receiver = device.receiver;
  const Tile& tile = device.tile;
  LinkBudget budget;
  budget.fan_out_x = static_cast<double>(tile.fan_out > 0 ? tile.fan_out : tile.rows);
  budget.fan_out_w = static_cast<double>(tile.fan_out > 0 ? tile.fan_out : tile.columns);

  const double energy_j = value_in(joule, photon_energy(device.laser.wavelength_m * metre));
  const double full_scale_w = point.photons_per_mac * static_cast<double>(product.length) *
                              energy_j / receiver.integration_time_s;
  const double transmission = path_transmission(device.link);
  double x = receiver.signal_beam_share * full_scale_w * budget.fan_out_x / transmission;
  double w = (1 - receiver.signal_beam_share) * full_scale_w * budget.fan_out_w / transmission;
  budget.facet_power_w = x + w;
  budget.margin_db = device.laser.maximum_power_w > 0
                         ? 10 * std::log10(device.laser.maximum_power_w / budget.facet_power_w)
                         : std::numeric_limits<double>::infinity();

  const auto add = [&](const char* element, double loss_x_db, double loss_w_db) {
    x *= transmission_from_loss_db(loss_x_db);
    w *= transmission_from_loss_db(loss_w_db);
    budget.points.push_back({element, loss_x_db, loss_w_db, x, w});
  };
  const auto decibel = [](double ratio) { return 10 * std::log10(ratio); };
  const Link& link = device.link;
  add("laser facet", 0, 0);
  add("coupling", link.coupling_loss_db, link.coupling_loss_db);
  add("modulator insertion", link.modulator_insertion_loss_db, link.modulator_insertion_loss_db);
  add("modulator, data", decibel(1 / data.mean_square_x), decibel(1 / data.mean_square_w));
  add("fan-out", decibel(budget.fan_out_x), decibel(budget.fan_out_w));
  add("splitting excess", link.splitting_excess_loss_db, link.splitting_excess_loss_db);
  add("propagation", link.propagation_loss_db, link.propagation_loss_db);
  add("detector coupling", link.detector_coupling_loss_db, link.detector_coupling_loss_db);
  add("photodiode", 0, 0);
  return budget;
}

}  // namespace attojoule::photonics
