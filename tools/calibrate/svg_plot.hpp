// Plots of a calibration report, as SVG that stands in the HTML page: no file beside it, no script.
#pragma once

#include <string>
#include <vector>

namespace attojoule::tools {

struct PlotSeries {
  std::string label;
  std::vector<double> x, y;
  std::vector<double> error;  // of y, drawn as bars; empty for none
  bool line = false;          // else points
};

struct Plot {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<PlotSeries> series;
};

// Points that a logarithmic axis cannot show, or that are not finite, are left out. Long series of
// points are thinned to what the eye can tell apart (greatest and least of neighbours are kept).
std::string svg_plot(const Plot& plot);

// Text as it may stand in HTML and SVG.
std::string html_text(const std::string& text);

}  // namespace attojoule::tools
