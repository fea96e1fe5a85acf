#include "photonics/link.hpp"

#include <cmath>

namespace attojoule::photonics {

double path_transmission(const Link& link) {
  const double loss_db = link.coupling_loss_db + link.propagation_loss_db +
                         link.modulator_insertion_loss_db + link.splitting_excess_loss_db +
                         link.detector_coupling_loss_db;
  return std::pow(10.0, -loss_db / 10.0);
}

}  // namespace attojoule::photonics
