# What `cmake --install build/release --prefix DIR` lays down: the program, the files that it ships
# (device presets, the default model, experiments) and the documents.
if(TARGET attojoule)
  install(TARGETS attojoule RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
foreach(folder devices models experiments)
  if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/data/${folder})
    install(DIRECTORY data/${folder} DESTINATION ${CMAKE_INSTALL_DATADIR}/attojoule/data)
  endif()
endforeach()
if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/docs)
  install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
install(FILES README.md CHANGELOG.md COPYING DESTINATION ${CMAKE_INSTALL_DOCDIR})
