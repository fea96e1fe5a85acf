// How much accuracy the noise costs, with a bound that holds for images and noise not seen.
//
// Image i is right without noise (a_i = 1) or not (0), and under the noise of seed s likewise
// (b_is). The degradation is the mean of a - b over all images and all noise; D_i = a_i - mean_s
// b_is is measured on N images and S seeds. Paired: an image that is wrong in both costs nothing,
// so that the bound is far tighter than that of two separate accuracies.
//
// Noise independent between images (all but weight noise). The D_i are independent; their variance
// covers images and noise together. The bound is the score interval for paired proportions (Tango,
// Stat. Med. 17, 891, 1998) with half a count of continuity correction, on an effective number of
// images N_e = N v_1 / v_S: v_S the variance of D_i, v_1 the variance that single draws would have,
// so that S seeds count for what they bring (1 <= N_e / N <= S; N_e = N below ten images whose
// result changes, where the ratio is not measured well). With few or no changed results the bound
// stays right where a normal interval would shrink to nothing.
//
// Noise shared by a pass (weight noise). Images and seeds are crossed random effects: the variance
// of the mean is V_images + V_seeds - V_residual of the two-way layout, never below either alone,
// and the quantile is Student's with S - 1 degrees of freedom.
//
// Any other paired measure (the loss; larger is better): mean and the same variances, Student's
// quantile with N - 1 degrees of freedom (S - 1 where noise is shared).
//
// Verdict at a target: holds where the upper 95 % bound is not above it, fails where the lower one
// is, and otherwise the data cannot decide; then `images_needed` (at this many seeds) and
// `seeds_needed` (on these images; infinite where the images alone are too few) would, if the
// degradation is what was measured.
//
// Validity: images are drawn independently from what the network will see, and were not used to
// choose the operating point. Test: tests/network/certificate_test.cpp (coverage by simulation).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attojoule::network {

// Results without noise and under it, one per image; larger is better.
struct PairedResults {
  std::vector<double> clean;
  std::vector<std::vector<double>> noisy;  // [seed][image]
  bool binary = true;                      // right or wrong, 1 or 0
  bool noise_shared_by_pass = false;
};

enum class Verdict { holds, fails, undecided };
const char* to_string(Verdict verdict);

struct Certificate {
  double degradation = 0;  // mean of clean - noisy
  double lower95 = 0;      // one-sided bounds, 95 % each
  double upper95 = 0;
  double standard_error = 0;
  double target = 0;
  Verdict verdict = Verdict::undecided;
  bool holds() const { return verdict == Verdict::holds; }
  std::int64_t images = 0;
  int seeds = 0;
  double lost = 0;           // images per pass that the noise makes wrong
  double gained = 0;         // and right
  double images_needed = 0;  // 0 where the verdict stands
  double seeds_needed = 0;
};

// At least one image and one seed; shared noise needs two seeds. Throws ConfigError otherwise.
Certificate certify(const PairedResults& results, double target);

// The score bounds above for `lost` and `gained` of `images` (effective) pairs, which need not be
// whole; `correction` in counts. Upper bound where `upper`, else the lower one.
double paired_score_bound(double lost, double gained, double images, double correction, bool upper);

}  // namespace attojoule::network
