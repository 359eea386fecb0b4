package inforce

import (
	"errors"
	"fmt"
	"io"
	"os"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/policy"
)

// maxRules bounds the file of a policy, in bytes; a rule is a line.
const maxRules = 4 << 20

// Policies reads the rules of all policies of a configuration. It needs no
// store. The error joins a *policy.SyntaxError for each line that is wrong.
func Policies(c *config.Config) (map[string]*policy.Policy, error) {
	all := map[string]*policy.Policy{}
	var errs []error
	for _, p := range c.Policies {
		parsed, err := ReadPolicy(c, p)
		errs = append(errs, err)
		all[p.Name] = parsed
	}
	return all, errors.Join(errs...)
}

// ReadPolicy is Policies for one of them.
func ReadPolicy(c *config.Config, p config.Policy) (*policy.Policy, error) {
	if p.File == "" {
		return policy.Parse(p.Name, c.Path, p.Line, p.Rules)
	}
	text, err := ReadRules(p.File)
	if err != nil {
		return nil, fmt.Errorf("reading the rules of policy %s: %w", p.Name, err)
	}
	return policy.Parse(p.Name, p.File, 1, text)
}

// ReadRules reads the file of a policy.
func ReadRules(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRules+1))
	if err == nil && len(text) > maxRules {
		err = fmt.Errorf("%s is larger than %d bytes", file, maxRules)
	}
	return string(text), err
}
