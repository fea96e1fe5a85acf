// The optical path from the laser's facet to the photodiode.
//
// Photons fix the powers: n photons per full-scale multiplication in both beams, D multiplications
// in the receiver's integration time T, a share s of them in beam x. At one receiver
//
//   P_x = s n D h nu / T,   P_w = (1 - s) n D h nu / T            full scale, before the data
//
// and back through the path, element by element, to the facet:
//
//   P_facet = F P / T_path,  T_path = 10^(-sum of losses / 10)
//
// with F receivers that share one transmitter's light. Splitting into F ways costs 10 log10 F dB
// without being a loss of light; splitting_excess_loss is what the splitters lose besides. The data
// lower the power behind the modulator to its mean square: an entry of its own, which the
// receiver's full scale does not pay for. Validity: continuous wave, both beams through elements of
// the same loss, no reflections. Test: tests/photonics/link_test.cpp. Text: docs/physics/link.md.
#pragma once

#include <string>
#include <vector>

#include "photonics/device.hpp"
#include "photonics/noise_model.hpp"

namespace attojoule::photonics {

// Share of the power at the facet that arrives: 10^(-sum of losses / 10), in (0, 1]. Losses in dB
// of optical power, as a link budget adds them. Test: tests/photonics/link_test.cpp.
double path_transmission(const Link& link);

// One line of the table: an element, and the powers behind it.
struct LinkPoint {
  std::string element;
  double loss_x_db = 0;
  double loss_w_db = 0;
  double power_x_w = 0;  // average over time, one branch after a splitter
  double power_w_w = 0;
};

struct LinkBudget {
  // From "laser facet" (loss 0) to "photodiode".
  std::vector<LinkPoint> points;
  double fan_out_x = 1;  // receivers that share one transmitter of x
  double fan_out_w = 1;
  // One transmitter of x and one of w: what the facet must emit for both.
  double facet_power_w = 0;
  // Largest power of the laser over facet_power, dB; infinite where it is not limited.
  double margin_db = 0;
};

// Mean squares of the encoded values, relative to full scale: what the modulators let through.
struct EncodedData {
  double mean_square_x = 1;  // (0, 1]
  double mean_square_w = 1;
};

// Budget of a dot product at this operating point. tile.fan_out counts for both beams where it is
// given; else x goes to a column (rows of the tile) and w to a row (columns).
// Throws ConfigError where the device fails validate(), the point or product makes no sense, or a
// mean square is outside (0, 1].
LinkBudget link_budget(const Device& device, const OperatingPoint& point, const DotProduct& product,
                       const EncodedData& data);

}  // namespace attojoule::photonics
