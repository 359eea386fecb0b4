package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// missing answers a request for what there is not; e.err says why.
func (s *Server) missing(e *entry, grant identity.Grant, repository, served, name string) {
	leftOut := (*catalog.LeftOutError)(nil)
	switch {
	case errors.Is(e.err, catalog.ErrNoGeneration):
		e.comeAgain("this suite has not been verified yet, try again later")
		return
	case errors.As(e.err, &leftOut):
		e.tell(http.StatusNotFound, fmt.Sprintf("nobody can verify this file: in the archive's index it is %v", leftOut.Why))
		return
	}
	if why := s.noSuite(grant, repository, name); why != "" && served == repository {
		e.tell(http.StatusNotFound, why)
		return
	}
	e.plain(http.StatusNotFound, fmt.Sprintf("%s: %v", printable(name), e.err))
}

// noRepository tells what there is to somebody who asked for a repository that
// there is not, or is no more.
func (s *Server) noRepository(grant identity.Grant, repository string) string {
	has := slices.DeleteFunc(s.Catalog.Repositories(), func(name string) bool { return !grant.MayReadSome(name) })
	return fmt.Sprintf("this mirror has no repository %.40q%s", repository, offered(has))
}

// noSuite does the same where a Release was asked for, of a suite that the
// repository does not have; "" where it has.
func (s *Server) noSuite(grant identity.Grant, repository, name string) string {
	dir, file := path.Split(name)
	if file != "InRelease" && file != "Release" {
		return ""
	}
	has := slices.DeleteFunc(s.Catalog.Suites(repository), func(suite string) bool { return !grant.MayRead(repository, suite) })
	if slices.ContainsFunc(has, func(suite string) bool { return catalog.SuiteDir(suite) == dir }) {
		return ""
	}
	suite := strings.TrimSuffix(strings.TrimPrefix(dir, "dists/"), "/")
	return fmt.Sprintf("%s has no suite %.40q here%s", repository, suite, offered(has))
}

// offered is the end of a sentence.
func offered(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ", it has " + strings.Join(names, ", ")
}
