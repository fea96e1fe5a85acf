// What devices that differ make of a result, apart from what noise makes of it.
//
// D devices (draws from a calibration's covariance) run the same N images under the same S noise
// seeds (common random numbers), a crossed design. With a result y of device d, seed s, image i,
//
//   y_dsi = p_i + u_di + e_si + h_dsi       p: image, u: device, e: noise that all devices share,
//                                           h: what is left (noise that a device answers its own
//                                              way); the parts are uncorrelated (Hoeffding)
//
// the spread of device means holds noise besides the devices: MS_device = S sigma_device^2 +
// sigma_h^2. The difference is taken (analysis of variance, two ways):
//
//   sigma_device^2 = (MS_device - MS_rest) / S                what the calibration does not know
//   sigma_noise^2  = MS_seed / (D S)                          of the grand mean, noise drawn again
//   sigma_image^2  = s^2(image means) / N - sigma_noise^2     of the grand mean, other images
//
// Unbiased for any law of y; the estimate of sigma_device^2 can be negative where devices differ
// less than noise can tell, and is not clipped: device_u() is. Its 95 % interval is that of Tukey
// and Williams (Williams, Biometrika 49, 278 (1962)), for normal device effects; where that ends at
// 0 although there is noise, its upper end is what the noise would hide. Noise is
// independent between images, or shared by a pass (weight noise): then passes are the unit.
// Identical devices give exactly 0. For these images: what an image and a device do together is in
// sigma_device.
// Source: Searle, Casella and McCulloch, Variance Components (1992), ch. 4.
// Test: tests/network/device_spread_test.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attojoule::network {

struct DeviceSpread {
  std::size_t devices = 0;
  int seeds = 0;
  double mean = 0;
  std::vector<double> device_means;
  double device_variance = 0;                                // unbiased, may be negative
  double device_variance_low = 0, device_variance_high = 0;  // 95 %, >= 0
  double noise_variance = 0;                                 // of the grand mean
  double image_variance = 0;  // of the grand mean; NaN where images are not known

  // Standard deviations; 0 where the estimate of a variance is negative.
  double device_u() const;
  double noise_u() const;
  double image_u() const;
  // Half widths of 95 %: of one device around the mean (Student's quantile of D - 1), of the mean
  // (normal quantile).
  double device_ci95() const;
  double noise_ci95() const;
  double image_ci95() const;
  // Whether the devices differ by more than noise explains (lower end of the interval above 0).
  bool resolved() const { return device_variance_low > 0; }
};

// outcomes: D x S passes of N results each (right = 1), device by device, seeds in the same order
// for each. Needs two devices and two seeds, one image; ConfigError otherwise. N S D <= 2^31.
DeviceSpread accuracy_spread(std::span<const std::vector<std::uint8_t>> outcomes,
                             std::size_t devices, bool noise_shared_by_pass);

// values: D x S numbers of one pass each (joules), device by device. As above; no images.
DeviceSpread value_spread(std::span<const double> values, std::size_t devices);

// Pearson's correlation; NaN where one of them does not vary.
double correlation(std::span<const double> a, std::span<const double> b);

}  // namespace attojoule::network
