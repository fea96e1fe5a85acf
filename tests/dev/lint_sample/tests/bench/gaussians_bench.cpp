std::normal_distribution<float> what_we_compare_with;
