<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
<!-- Turns what gdbus-codegen makes of an interface's documentation into a page of section 7. It says nothing of
     section, source and author, which docbook-xsl wants to know. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:import href="http://docbook.sourceforge.net/release/xsl/current/manpages/docbook.xsl"/>
  <xsl:param name="version"/>
  <xsl:param name="man.authors.section.enabled" select="0"/>
  <xsl:param name="man.output.quietly" select="1"/>
  <xsl:param name="refentry.meta.get.quietly" select="1"/>
  <xsl:param name="man.endnotes.are.numbered" select="0"/>
  <xsl:param name="man.endnotes.list.enabled" select="0"/>
  <xsl:template name="get.refentry.section">7</xsl:template>
  <xsl:template name="get.refentry.source">mefota <xsl:value-of select="$version"/></xsl:template>
  <xsl:template name="get.refentry.manual">mefota</xsl:template>
  <xsl:template name="get.refentry.date"/>
  <xsl:template name="author.section"/>
</xsl:stylesheet>
