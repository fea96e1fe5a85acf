// Photon transfer: gain, responsivity, quantum efficiency and dark noise of a camera or of any
// integrating receiver, from mean and temporal variance of its output at several exposures.
//
//   sigma_y^2 - sigma_dark^2 = K (mu_y - mu_dark)        K [DN/e-]: system gain
//   mu_y - mu_dark = R mu_p                              R [DN/photon]: responsivity
//   eta = R / K,   sigma_d = sqrt(sigma_y.dark^2 - 1/12) / K   (1/12 DN^2: quantisation)
//
// Methods:
//   emva       the standard's: unweighted slopes through 0 up to 70 % of saturation; sigma_y.dark^2
//              from the line through the dark variances over exposure time, at time 0 (at least
//              0.24 DN^2); linearity over 5 to 95 % with weights 1/Y^2
//   weighted   the same slopes with the right weights: a variance V from nu degrees of freedom has
//              the standard deviation V sqrt(2/nu), V from the model (reweighted)
//   nonlinear  mean and variance together, response mu = mu_0 + K e (1 + beta e), e = eta mu_p
//              electrons; the noise passes the slope of the response: sigma^2 = sigma_dark^2 +
//              K^2 (1 + 2 beta e)^2 e. A curved response biases both lines, this not. Light that is
//              off moves the mean and, K times as much, the variance.
// Type A uncertainties:
//   K          weighted: from nu. emva, and weighted without nu: from the scatter about the line,
//   in
//              proportion to V; of an unweighted line only the residuals that are independent of
//              its error count, so that Student's law is exact
//   R          from every point's own residual (White 1980), whatever their law, with the mean and
//              degrees of freedom that this has where the means scatter by a share of the signal
//              (Bell and McCaffrey 2002)
//   nonlinear  from the fit, with a scatter of the means in proportion to the signal; with the term
//              for estimated weights of Kenward and Roger (1997)
//   sigma_d    with the correlation that comes from subtracting the same dark variances
// Degrees of freedom of what has several causes by Welch and Satterthwaite. Intervals cover what
// they say from about 13 exposures below saturation; with fewer those of R from emva cover more
// (97 to 98 %), and those of nonlinear less (R 93 % with 6 exposures, 90 to 92 % with 4).
// nu is given (pixels of the image) or follows from the scatter of the dark variances.
//
// Not modelled: fixed-pattern noise (the variance has to be temporal), dark current shot noise
// apart from the measured dark variance, blooming. Source: EMVA Standard 1288, release 4.0 Linear,
// sections on sensitivity and linearity. Tests: tests/calibration/photon_transfer_test.cpp
// (reference results of set 001 to 1e-9, coverage).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calibration/result.hpp"

namespace attojoule::calibration {

enum class PtcMethod { emva, weighted, nonlinear };

struct PhotonTransferData {
  std::vector<double> mean_dn, variance_dn2;            // light on
  std::vector<double> dark_mean_dn, dark_variance_dn2;  // same exposure, no light
  std::vector<double> photons;          // mu_p per pixel; empty: R and eta stay unknown
  std::vector<double> exposure_s;       // empty: the dark variances have no trend
  std::optional<double> pixels;         // of an image: degrees of freedom of a variance
  double photon_scale_uncertainty = 0;  // relative, of the radiometer: type B of R and eta
  std::vector<std::string> places;      // of the points, for messages
};

// Parameters K, R, eta, sigma_d (without photons: K, sigma_d). Not identifiable where all exposures
// below saturation have one signal, within 10 %. Throws DataError where there are fewer than 4 of
// them, or numbers are missing.
// `alternatives`: the other methods' values too.
CalibrationResult calibrate_photon_transfer(const PhotonTransferData& data, PtcMethod method,
                                            bool alternatives = true);

}  // namespace attojoule::calibration
