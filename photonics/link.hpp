// The optical path from the laser's facet to the photodiode.
#pragma once

#include "photonics/device.hpp"

namespace attojoule::photonics {

// Share of the power at the facet that arrives: 10^(-sum of losses / 10), in (0, 1]. Losses in dB
// of optical power, as a link budget adds them. Test: tests/photonics/link_test.cpp.
double path_transmission(const Link& link);

}  // namespace attojoule::photonics
