package controlapi

import (
	"net/http"

	"atoll/internal/catalog"
	"atoll/internal/errs"
)

// userResponse is an S3 user on the wire.
type userResponse struct {
	Type            string `json:"type"`
	Identifier      string `json:"identifier"`
	Nickname        string `json:"nickname"`
	CreatedAt       string `json:"createdAt"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey,omitempty"` // once, when it is made
}

func wireUser(u catalog.User) userResponse {
	return userResponse{
		Type: "s3", Identifier: u.AccessKeyID, Nickname: u.Nickname,
		CreatedAt: timestamp(u.Created), AccessKeyID: u.AccessKeyID,
	}
}

func userList(users []catalog.User) []userResponse {
	list := make([]userResponse, 0, len(users))
	for _, u := range users {
		list = append(list, wireUser(u))
	}
	return list
}

// checkUserType refuses the kinds of users that are known but not offered
// yet, and those that nobody knows.
func checkUserType(t string) error {
	switch t {
	case "s3":
		return nil
	case "token", "awssts":
		return errs.New("user", t, errs.Unsupported, "users of type "+t+" are not offered yet: only s3 is")
	case "":
		return invalid("type is needed: \"s3\"")
	}
	return invalid("unknown type of user: only s3 is offered")
}

type addUserRequest struct {
	Type     string `json:"type"`
	Nickname string `json:"nickname"`
}

func (a *api) addUser(r *http.Request) (answer, error) {
	id, err := pathDisk(r)
	if err != nil {
		return answer{}, err
	}
	var req addUserRequest
	if err := readJSON(r, &req); err != nil {
		return answer{}, err
	}
	if err := checkUserType(req.Type); err != nil {
		return answer{}, err
	}
	u, secret, err := a.o.Catalog.AddUser(r.Context(), id, req.Nickname)
	if err != nil {
		return answer{}, err
	}
	res := wireUser(u)
	res.SecretAccessKey = secret
	return ok(http.StatusCreated, res), nil
}

func (a *api) listUsers(r *http.Request) (answer, error) {
	id, err := pathDisk(r)
	if err != nil {
		return answer{}, err
	}
	users, err := a.o.Catalog.Users(r.Context(), id)
	if err != nil {
		return answer{}, err
	}
	return ok(http.StatusOK, userList(users)), nil
}

func (a *api) removeUser(r *http.Request) (answer, error) {
	id, err := pathDisk(r)
	if err != nil {
		return answer{}, err
	}
	if err := checkUserType(r.PathValue("type")); err != nil {
		return answer{}, err
	}
	identifier := r.URL.Query().Get("identifier")
	if identifier == "" {
		return answer{}, invalid("identifier is needed: the user's access key id")
	}
	if err := a.o.Catalog.RemoveUser(r.Context(), id, identifier); err != nil {
		return answer{}, err
	}
	return ok(http.StatusOK, map[string]string{"message": "User removed"}), nil
}
